// SPDX-License-Identifier: MIT
// Clients that go, or ask for more, in the middle of what others are served: each test has several things reach the server at once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <polyproc/manager/manager.hpp>

#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <filesystem>
#include <semaphore>
#include <string>
#include <vector>

#include "manager/support.hpp"
#include "net/connecting.hpp"
#include "support/certificates.hpp"
#include "support/forked_child.hpp"

namespace polyproc::testing {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

// Keeps the server's thread busy: what comes meanwhile is all there when it goes on.
class Gate {
 public:
  void hold() {
    is_held.release();
    may_go_on.acquire();
  }
  static inline std::binary_semaphore is_held{0}, may_go_on{0};
};

const bool kRegistered = [] {
  Manager::type<Gate>("Gate").constructor<>().method("hold", &Gate::hold);
  return true;
}();

// A connection of a CPython client's, which may ask before it has its answers.
class PythonClient {
 public:
  explicit PythonClient(const Address& server, std::optional<Tls> tls = std::nullopt)
      : connection_(connect_to(server, {.authkey = kKey, .tls = std::move(tls)})) {}

  // The new object's ident. This connection ends with it.
  Object create(Object type, std::vector<Object> arguments = {}) {
    arguments.insert(arguments.begin(), std::move(type));
    ask({}, "create", std::move(arguments));
    return answer().items()[0];
  }
  PythonClient& accept() {
    ask({}, "accept_connection", {"a thread"});
    EXPECT_TRUE(answer().is_none());
    return *this;
  }

  static std::vector<std::byte> request(const Object& ident, const char* method,
                                        std::vector<Object> arguments = {}) {
    return to_pickle(Object::tuple({ident, method, Object::tuple(std::move(arguments)), Object::dict()}));
  }
  void ask(const Object& ident, const char* method, std::vector<Object> arguments = {}) const {
    connection_.send_bytes(request(ident, method, std::move(arguments)));
  }
  // All of them in one piece.
  void ask_together(const Object& ident, const std::vector<const char*>& methods) const {
    std::vector<std::byte> bytes;
    for (const char* method : methods) {
      const auto message = request(ident, method);
      for (int shift = 24; shift >= 0; shift -= 8)
        bytes.push_back(static_cast<std::byte>(message.size() >> static_cast<unsigned>(shift)));
      bytes.insert(bytes.end(), message.begin(), message.end());
    }
    ASSERT_EQ(::send(connection_.fileno(), bytes.data(), bytes.size(), 0),
              static_cast<ssize_t>(bytes.size()));
  }
  // The result, or "nothing came" after a long time; of an exception its repr.
  [[nodiscard]] Object answer() const {
    const auto message = connection_.recv_bytes_for(20s);
    if (!message) return "nothing came";
    const Object said = decode_any(*message);
    return said.items()[0] == Object("#RETURN") ? Object(said.items()[1]) : Object(said.repr());
  }
  Object call(const Object& ident, const char* method, std::vector<Object> arguments = {}) const {
    ask(ident, method, std::move(arguments));
    return answer();
  }
  void shut(int how) const { ::shutdown(connection_.fileno(), how); }
  void close() { connection_.close(); }

 private:
  ByteSocketConnection connection_;
};

class ServerSession : public ::testing::Test {
 protected:
  explicit ServerSession(const Address& address = Address::unique(), ServeOptions options = {},
                         ConnectOptions connecting = {})
      : server_(address, std::move(options)),
        tls_(connecting.tls),
        manager_(Manager::connect(server_.address(), kKey, std::move(connecting))),
        gate_(manager_.create("Gate")) {}

  [[nodiscard]] PythonClient client() const { return PythonClient(server_.address(), tls_); }
  [[nodiscard]] PythonClient caller() const { return std::move(client().accept()); }
  [[nodiscard]] Object create(const char* type, std::vector<Object> arguments = {}) const {
    return client().create(type, std::move(arguments));
  }
  // The server has taken what was sent before: it has looked at its sockets between the first call and the last one.
  void settle() const {
    for (int i = 0; i < 3; ++i) (void)manager_.number_of_objects();
  }
  // What `body` does reaches the server in its order, and at once.
  template <class Body>
  void at_once(Body body) {
    settle();
    auto held = gate_.call_async<void>("hold");
    Gate::is_held.acquire();
    body();
    Gate::may_go_on.release();
    held.get();
  }
  void TearDown() override { EXPECT_EQ(manager_.list<int>({1})[0], 1) << "it serves others"; }

  ServerThread server_;
  std::optional<Tls> tls_;
  Manager manager_;
  Proxy gate_;
};

class ServerSessionOverTcp : public ServerSession {
 protected:
  ServerSessionOverTcp() : ServerSession(Address("127.0.0.1:0")) {}
};

TEST_F(ServerSessionOverTcp, OneThatIsResetBeforeItIsAcceptedEndsNobody) {
  at_once([&] {
    const os::Fd socket = connect_socket(server_.address(), Deadline::after(20s));
    const linger none{1, 0};
    ASSERT_EQ(::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &none, sizeof none), 0);
  });
  EXPECT_EQ(caller().call(create("list"), "__len__"), 0);
}

// An answer that wakes one client lets it go on with what it has asked further only when the call that woke it is done.
TEST_F(ServerSession, WhatOneHasAskedFurtherWaitsForTheCallThatWakesIt) {
  const Object barrier = create("Barrier", {3});
  const PythonClient first = caller(), second = caller(), third = caller();
  at_once([&] {
    first.ask_together(barrier, {"wait", "abort"});
    second.ask(barrier, "wait");
    third.ask(barrier, "wait");
  });
  EXPECT_EQ(first.answer(), 0);
  EXPECT_EQ(second.answer(), 1);
  EXPECT_EQ(third.answer(), 2);
  EXPECT_TRUE(first.answer().is_none());
  EXPECT_THAT(third.call(barrier, "wait").as_string(), HasSubstr("BrokenBarrierError"));
}

// Each has asked for the release along with the lock: the next one's turn comes after it, not inside of it.
TEST_F(ServerSession, ManyWhoHaveAskedForTheReleaseWithTheLockTakeTheirTurns) {
  const Object lock = create("Lock");
  const PythonClient holder = caller();
  EXPECT_EQ(holder.call(lock, "acquire"), true);
  std::vector<PythonClient> others;
  for (int i = 0; i < 300; ++i) others.push_back(caller());
  for (const auto& each : others) each.ask_together(lock, {"acquire", "release"});
  settle();
  EXPECT_TRUE(holder.call(lock, "release").is_none());
  for (const auto& each : others) {
    EXPECT_EQ(each.answer(), true);
    EXPECT_TRUE(each.answer().is_none());
  }
}

// It has been answered, and is to go on with what it has asked further, when it goes.
TEST_F(ServerSession, OneThatGoesWhenItIsToGoOnIsLeftAlone) {
  const Object queue = create("Queue");
  PythonClient other = caller();
  const PythonClient going = caller(), putting = caller();
  going.ask_together(queue, {"get", "get", "qsize"});
  at_once([&] {
    other.close();
    putting.ask(queue, "put", {1});
    going.shut(SHUT_WR);
  });
  EXPECT_TRUE(putting.answer().is_none());
  EXPECT_EQ(going.answer(), 1);
}

TEST_F(ServerSession, ThoseWhoCannotBeToldOfTheEndDoNotKeepItFromTheOthers) {
  std::vector<PythonClient> clients;
  {
    ServerThread server;
    const Object queue = PythonClient(server.address()).create("Queue");
    for (int i = 0; i < 20; ++i) {
      PythonClient& each = clients.emplace_back(server.address()).accept();
      if (i % 2 == 0) each.shut(SHUT_RD);
      each.ask(queue, "get");
    }
    const auto manager = Manager::connect(server.address(), kKey);
    for (int i = 0; i < 3; ++i) (void)manager.number_of_objects();
  }
  for (std::size_t i = 1; i < clients.size(); i += 2)
    EXPECT_THAT(clients[i].answer().as_string(), HasSubstr("EOFError"));
}

TEST_F(ServerSession, WhatIsPutAfterAClientHasGoneIsNotGivenToIt) {
  const Object queue = create("Queue");
  PythonClient going = caller();
  const PythonClient putting = caller();
  going.ask(queue, "get");
  at_once([&] {
    going.close();
    putting.ask(queue, "put", {1});
  });
  EXPECT_TRUE(putting.answer().is_none());
  EXPECT_EQ(putting.call(queue, "get_nowait"), 1);
}

TEST_F(ServerSession, ALockThatIsReleasedAfterAClientHasGoneIsFree) {
  const Object lock = create("Lock");
  PythonClient going = caller();
  const PythonClient holder = caller();
  EXPECT_EQ(holder.call(lock, "acquire"), true);
  going.ask(lock, "acquire");
  at_once([&] {
    going.close();
    holder.ask(lock, "release");
  });
  EXPECT_TRUE(holder.answer().is_none());
  EXPECT_EQ(holder.call(lock, "acquire", {false}), true);
}

TEST_F(ServerSession, ABarrierThatIsResetAfterAClientHasGoneIsWhole) {
  const Object barrier = create("Barrier", {2});
  PythonClient going = caller();
  const PythonClient first = caller(), second = caller();
  going.ask(barrier, "wait");
  at_once([&] {
    going.close();
    first.ask(barrier, "reset");
  });
  EXPECT_TRUE(first.answer().is_none());
  first.ask(barrier, "wait");
  settle();
  EXPECT_EQ(second.call(barrier, "wait"), 1);
  EXPECT_EQ(first.answer(), 0);
}

// As a connection of CPython's does with its thread.
TEST_F(ServerSession, ALockOutlivesTheConnectionOfTheThreadThatHasIt) {
  const Object lock = create("Lock");
  PythonClient ending = caller();
  EXPECT_EQ(ending.call(lock, "acquire"), true);
  at_once([&] { ending.close(); });
  settle();
  const PythonClient other = caller();
  EXPECT_EQ(other.call(lock, "acquire", {false}), false);
  EXPECT_TRUE(other.call(lock, "release").is_none());
  EXPECT_EQ(other.call(lock, "acquire", {false}), true);
}

TEST_F(ServerSession, ALockOfAThreadThatHasEndedIsFreeWhenItsProcessEnds) {
  const Object lock = create("Lock");
  const SharedPage<std::atomic<bool>> is_held;
  ForkedChild child([&] {
    PythonClient ending = caller();
    EXPECT_EQ(ending.call(lock, "acquire"), true);
    ending.close();
    *is_held = true;
    for (;;) ::pause();
  });
  ASSERT_TRUE(wait_until([&] { return is_held->load(); }));
  settle();
  const PythonClient other = caller();
  EXPECT_EQ(other.call(lock, "acquire", {false}), false);
  other.ask(lock, "acquire");
  child.kill(SIGKILL);
  EXPECT_THAT(other.answer().as_string(), HasSubstr("OSError"));
  EXPECT_EQ(other.call(lock, "acquire", {false}), true);
}

// Nobody there can tell when the process ends.
TEST_F(ServerSessionOverTcp, ALockIsFreeWithTheConnectionThatHasIt) {
  const Object lock = create("Lock");
  PythonClient ending = caller();
  EXPECT_EQ(ending.call(lock, "acquire"), true);
  ending.close();
  EXPECT_THAT(caller().call(lock, "acquire").as_string(), HasSubstr("OSError"));
}

// A certificate of the server's own.
class ServerSessionOverTls : public ServerSession {
 protected:
  struct Folder {
    Folder() {
      std::string name = (std::filesystem::temp_directory_path() / "polyproc-session-XXXXXX").string();
      if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
      path = name;
      make_certificate(path, "server", "IP:127.0.0.1");
    }
    ~Folder() { std::filesystem::remove_all(path); }
    std::filesystem::path path;
  };
  explicit ServerSessionOverTls(const Folder& folder = {})
      : ServerSession(Address("127.0.0.1:0"),
                      {.tls = Tls::server(folder.path / "server.pem", folder.path / "server.key")},
                      {.tls = Tls::client(folder.path / "server.pem")}) {}
};

// More than the server keeps unsent before it asks for more.
TEST_F(ServerSessionOverTls, WhatWasAskedBehindALargeAnswerIsAnswered) {
  const std::string large(std::size_t{16} << 20, 'x');
  const Object list = create("list", {Object::list({large})});
  const PythonClient asking = caller();
  at_once([&] {
    asking.ask(list, "__getitem__", {0});
    asking.ask(list, "__len__");
  });
  EXPECT_EQ(asking.answer(), Object(large));
  EXPECT_EQ(asking.answer(), 1);
}

}  // namespace
}  // namespace polyproc::testing
