// SPDX-License-Identifier: MIT
// What those who have no key, or send what they should not, can do to a server: nothing that others notice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <polyproc/manager/manager.hpp>

#include <sys/socket.h>

#include <mutex>
#include <string>
#include <vector>

#include "manager/support.hpp"
#include "net/connecting.hpp"

namespace polyproc::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using namespace std::chrono_literals;
using namespace std::string_literals;

class ServerSecurity : public ::testing::Test {
 protected:
  explicit ServerSecurity(ServeOptions options = {})
      : server_(Address::unique(), with_log(std::move(options))) {}

  ServeOptions with_log(ServeOptions options) {
    options.log = [this](LogLevel level, std::string_view text) {
      const std::lock_guard lock(log_lock_);
      if (level >= LogLevel::warning) log_.emplace_back(text);
    };
    return options;
  }
  [[nodiscard]] std::vector<std::string> log() {
    const std::lock_guard lock(log_lock_);
    return log_;
  }
  [[nodiscard]] ByteSocketConnection raw() const {
    return ByteSocketConnection(connect_socket(server_.address(), Deadline::never()));
  }
  [[nodiscard]] ByteSocketConnection authenticated() const {
    return connect_to(server_.address(), {.authkey = kKey});
  }
  static void send(const ByteSocketConnection& to, const std::string& text) {
    to.send_bytes(std::as_bytes(std::span(text)));
  }
  // Nothing more comes from there.
  static void expect_end(const ByteSocketConnection& connection) {
    EXPECT_THROW(for (;;)(void) connection.recv_bytes(), EndOfFile);
  }
  // (kind, result) of a request that is answered.
  static std::string answer_to(const ByteSocketConnection& connection, const std::string& request) {
    send(connection, request);
    return decode_any(connection.recv_bytes()).repr();
  }
  void TearDown() override {
    const auto manager = Manager::connect(server_.address(), kKey);
    EXPECT_EQ(manager.list<int>({1})[0], 1);
    EXPECT_EQ(manager.number_of_objects(), 0u) << manager.debug_info();
    for (const std::string& line : log()) EXPECT_EQ(line.find(kKey), std::string::npos) << line;
  }

 private:
  std::mutex log_lock_;
  std::vector<std::string> log_;

 protected:
  ServerThread server_;
};

TEST_F(ServerSecurity, WrongKeysAreRefusedAndLogged) {
  EXPECT_THROW((void)connect_to(server_.address(), {.authkey = "wrong"}), AuthenticationError);
  EXPECT_THROW((void)Manager::connect(server_.address(), "wrong"), AuthenticationError);
  // The client is told before it is written down.
  const Deadline deadline = Deadline::after(20s);
  while (log().size() < 2 && !deadline.passed()) std::this_thread::yield();
  EXPECT_EQ(log().size(), 2u);
  EXPECT_THAT(log(), Contains(HasSubstr("another key")));
}

TEST_F(ServerSecurity, OversizedAndDamagedHandshakesEnd) {
  const auto longer = raw();
  send(longer, std::string(257, 'x'));
  expect_end(longer);
  const auto other = raw();
  send(other, "GET / HTTP/1.0\r\n\r\n");
  expect_end(other);
  const auto truncated = raw();
  const char half[] = {0, 0, 0, 52, '{'};
  ASSERT_EQ(::send(truncated.fileno(), half, sizeof half, 0), 5);
  ::shutdown(truncated.fileno(), SHUT_WR);
  expect_end(truncated);
  const auto negative = raw();
  const unsigned char length[] = {0x80, 0, 0, 0};
  ASSERT_EQ(::send(negative.fileno(), length, sizeof length, 0), 4);
  expect_end(negative);
}

class ServerSecurityInHaste : public ServerSecurity {
 protected:
  ServerSecurityInHaste() : ServerSecurity({.handshake_timeout = 50ms}) {}
};

TEST_F(ServerSecurityInHaste, SlowHandshakesEnd) {
  const auto silent = raw();
  expect_end(silent);
  EXPECT_THAT(log(), Contains(HasSubstr("in time")));
}

TEST_F(ServerSecurityInHaste, ManyWhoNeverAuthenticateAreGoneAfterTheirTime) {
  std::vector<ByteSocketConnection> crowd;
  for (int i = 0; i < 400; ++i) crowd.push_back(raw());
  const auto manager = Manager::connect(server_.address(), kKey);
  EXPECT_EQ(manager.list<int>({1})[0], 1);
  for (const auto& each : crowd) expect_end(each);
}

class ServerSecurityOfShortMessages : public ServerSecurity {
 protected:
  ServerSecurityOfShortMessages() : ServerSecurity({.longest_message = 1000}) {}
};

TEST_F(ServerSecurityOfShortMessages, LongerOnesEndTheirConnection) {
  const auto connection = authenticated();
  send(connection, std::string(1001, 'x'));
  expect_end(connection);
  EXPECT_THAT(log(), Contains(HasSubstr("1001")));
}

TEST_F(ServerSecurity, GarbageIsAnsweredAndLoggedOnce) {
  const auto connection = authenticated();
  const Object accept = Object::tuple({Object(), "accept_connection", Object::tuple({"x"}), Object::dict()});
  connection.send_bytes(to_pickle(accept));
  EXPECT_THAT(decode_any(connection.recv_bytes()).repr(), HasSubstr("#RETURN"));
  EXPECT_THAT(answer_to(connection, "\x80\x04]."), HasSubstr("#TRACEBACK"));
  EXPECT_THAT(answer_to(connection, "no pickle"), HasSubstr("#TRACEBACK"));
  EXPECT_EQ(log().size(), 1u);
}

// Each of a few bytes, for a great deal.
TEST_F(ServerSecurity, BombsAreRefused) {
  const auto connection = authenticated();
  const Object accept = Object::tuple({Object(), "accept_connection", Object::tuple({"x"}), Object::dict()});
  connection.send_bytes(to_pickle(accept));
  (void)connection.recv_bytes();
  // Depth: a list in a list, a hundred thousand times.
  std::string deep = "\x80\x04";
  for (int i = 0; i < 100'000; ++i) deep += ']';
  for (int i = 1; i < 100'000; ++i) deep += 'a';
  EXPECT_THAT(answer_to(connection, deep + "."), HasSubstr("#TRACEBACK"));
  // Lengths that nothing follows.
  EXPECT_THAT(answer_to(connection, "\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f"s),
              HasSubstr("#TRACEBACK"));
  EXPECT_THAT(answer_to(connection, "\x80\x04\x8b\xff\xff\xff\x7f"s), HasSubstr("#TRACEBACK"));
  // A memo of two billion places.
  EXPECT_THAT(answer_to(connection, "\x80\x04Nr\xff\xff\xff\x7f."s), HasSubstr("#TRACEBACK"));
}

TEST_F(ServerSecurity, ExponentialSharingCostsNothing) {
  const auto manager = Manager::connect(server_.address(), kKey);
  Object value = Object::list({1});
  for (int i = 0; i < 100; ++i) value = Object::list({value, value});
  const auto list = manager.list();
  list.append(value);
  EXPECT_EQ(list[0], value);
  EXPECT_TRUE(list.contains(value));
  list.sort();
  EXPECT_LT(list.str().size(), 10'000'000u);
  EXPECT_THROW((void)manager.create("list", Object::instance(Object::name("builtins", "range"),
                                                             Object::tuple({0, INT64_MAX, 1}))),
               RemoteError);
  EXPECT_THROW((void)list.call("__mul__", INT64_MAX), RemoteError);
}

TEST_F(ServerSecurity, NamesOfFunctionsStayNames) {
  const auto manager = Manager::connect(server_.address(), kKey);
  const auto list = manager.list();
  const Object bomb =
      Object::instance(Object::name("os", "system"), Object::tuple({"touch /tmp/polyproc-was-here"}));
  list.append(bomb);
  EXPECT_EQ(list[0], bomb);
  list.append(bomb);
  EXPECT_THROW(list.sort(), RemoteError);
}

}  // namespace
}  // namespace polyproc::testing
