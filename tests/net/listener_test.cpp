// SPDX-License-Identifier: MIT
// Listener and Client of one machine: each kind of address, keys, deadlines, TLS, and paths that the dead have left behind.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <polyproc/channel/byte_connection.hpp>
#include <polyproc/net/listener.hpp>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <optional>
#include <string>
#include <thread>

#include "net/connecting.hpp"
#include "net/unix_path.hpp"
#include "support/forked_child.hpp"

namespace polyproc::testing {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "polyproc-net-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  ~Folder() { fs::remove_all(path_); }
  [[nodiscard]] std::string operator/(const char* name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

template <class T>
std::pair<SocketConnection<T>, SocketConnection<T>> connected(Listener& listener,
                                                              const ConnectOptions& options = {}) {
  auto client = std::async(std::launch::async, [&] { return Client<T>(listener.address(), options); });
  SocketConnection<T> accepted = listener.accept<T>();
  return {std::move(accepted), client.get()};
}

class EachAddress : public ::testing::TestWithParam<const char*> {};

TEST_P(EachAddress, CarriesValuesBothWays) {
  const Folder folder;
  const std::string kind = GetParam();
  Listener listener(kind == "path"       ? Address::unix_path(folder / "s")
                    : kind == "abstract" ? Address::unique()
                                         : Address(kind),
                    {.authkey = "k"});
  auto [here, there] = connected<std::map<std::string, std::vector<int>>>(listener, {.authkey = "k"});
  const std::map<std::string, std::vector<int>> value{{"a", {1, 2}}, {"b", {}}};
  here.send(value);
  EXPECT_EQ(there.recv(), value);
  there.send(value);
  EXPECT_EQ(here.recv(), value);
  const std::vector<std::byte> large(3'000'000, std::byte{7});
  std::thread sender([&, &there = there] { there.send_bytes(large); });
  EXPECT_EQ(here.recv_bytes(), large);
  sender.join();
  if (listener.address().family() == Address::Family::tcp) {
    EXPECT_NE(listener.address().port(), 0);
    EXPECT_TRUE(listener.last_accepted().has_value());
  }
}

INSTANTIATE_TEST_SUITE_P(Of, EachAddress,
                         ::testing::Values("path", "abstract", "127.0.0.1:0", "[::1]:0", "localhost:0"),
                         [](const auto& each) { return fmt::format("kind{}", each.index); });

TEST(Listener, OneThatIsResetBeforeItIsAcceptedIsPassedOver) {
  Listener listener("127.0.0.1:0");
  {
    const os::Fd socket = connect_socket(listener.address(), Deadline::after(20s));
    const linger none{1, 0};
    ASSERT_EQ(::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &none, sizeof none), 0);
  }
  EXPECT_FALSE(listener.accept_for<int>(0s));
  EXPECT_FALSE(listener.last_accepted());
  const auto [here, there] = connected<int>(listener);
  here.send(1);
  EXPECT_EQ(there.recv(), 1);
}

TEST(SocketConnection, TheEndOfOneIsTheEndOfFileOfTheOther) {
  Listener listener;
  auto [here, there] = connected<int>(listener);
  there.send(1);
  there.close();
  EXPECT_TRUE(there.closed());
  EXPECT_THROW(there.send(2), UsageError);
  EXPECT_EQ(here.recv(), 1);
  EXPECT_TRUE(here.poll());
  EXPECT_THROW((void)here.recv(), EndOfFile);
  const auto send_for_ever = [&, &here = here] {
    for (;;) here.send(1);
  };
  EXPECT_THROW(send_for_ever(), EndOfFile);
}

TEST(SocketConnection, WaitsUntilTheDeadlineAndKeepsWhatHasCome) {
  Listener listener;
  auto [here, there] = connected<std::string>(listener);
  EXPECT_FALSE(here.try_recv());
  EXPECT_FALSE(here.recv_for(20ms));
  EXPECT_FALSE(here.poll(20ms));
  const auto pickle = to_pickle(std::string("whole"));
  const std::string header{'\0', '\0', '\0', static_cast<char>(pickle.size())};
  ASSERT_EQ(::send(there.fileno(), header.data(), header.size(), 0), 4);
  ASSERT_EQ(::send(there.fileno(), pickle.data(), 3, 0), 3);
  EXPECT_FALSE(here.recv_for(20ms));
  ASSERT_GT(::send(there.fileno(), pickle.data() + 3, pickle.size() - 3, 0), 0);
  EXPECT_EQ(here.recv(), "whole");
}

TEST(SocketConnection, AMessageThatHoldsNoneIsReceivedAndRefused) {
  Listener listener;
  auto [here, there] = connected<int>(listener);
  there.send_bytes(to_pickle(std::string("no number")));
  there.send(3);
  EXPECT_THROW((void)here.recv(), DecodeError);
  EXPECT_EQ(here.recv(), 3);
}

TEST(SocketConnection, AMessageThatIsTooLongIsRefusedBeforeItIsReceived) {
  Listener listener;
  auto [here, there] = connected<std::string>(listener);
  here.set_longest(1000);
  there.send_bytes(std::vector<std::byte>(1000));
  EXPECT_EQ(here.recv_bytes().size(), 1000u);
  there.send_bytes(std::vector<std::byte>(1001));
  EXPECT_THROW((void)here.recv_bytes(), OsError);
  EXPECT_THROW((void)here.recv_bytes(), UsageError);
}

TEST(SocketConnection, ATooSmallBufferIsTold) {
  Listener listener;
  auto [here, there] = connected<std::string>(listener);
  there.send_bytes(std::vector<std::byte>(5));
  std::array<std::byte, 3> small{};
  EXPECT_THROW((void)here.recv_bytes_into(small), BufferTooShort);
}

TEST(SocketConnection, EachMessageIsWholeWhenThreadsSendAtOnce) {
  Listener listener;
  auto [here, there] = connected<std::string>(listener);
  std::vector<std::thread> senders;
  for (char name = 'a'; name < 'e'; ++name)
    senders.emplace_back([&there = there, name] {
      for (int i = 0; i < 50; ++i) there.send(std::string(10'000, name));
    });
  for (int i = 0; i < 200; ++i) {
    const std::string message = here.recv();
    ASSERT_EQ(message, std::string(10'000, message[0]));
  }
  for (auto& sender : senders) sender.join();
}

TEST(Listener, RefusesAnotherKeyAndGoesOn) {
  Listener listener(Address::unique(), {.authkey = "right"});
  auto wrong =
      std::async(std::launch::async, [&] { return Client<int>(listener.address(), {.authkey = "wrong"}); });
  EXPECT_THROW((void)listener.accept(), AuthenticationError);
  EXPECT_THROW((void)wrong.get(), AuthenticationError);
  auto [here, there] = connected<int>(listener, {.authkey = "right"});
  there.send(1);
  EXPECT_EQ(here.recv(), 1);
}

TEST(Listener, OneWhoIsSlowIsGivenUp) {
  Listener listener(Address::unique(), {.authkey = "k", .handshake_timeout = 50ms});
  const ByteSocketConnection silent = connect_to(listener.address(), {});
  EXPECT_THROW((void)listener.accept(), TimeoutError);
  const ByteSocketConnection drop_by_drop = connect_to(listener.address(), {});
  std::atomic<bool> done{false};
  std::thread drops([&] {
    const char zero = 0;
    while (!done && ::send(drop_by_drop.fileno(), &zero, 1, MSG_NOSIGNAL) == 1)
      std::this_thread::sleep_for(5ms);
  });
  EXPECT_ANY_THROW((void)listener.accept());
  done = true;
  drops.join();
}

TEST(Listener, MoreThanAHandshakeTakesIsRefusedBeforeIt) {
  Listener listener(Address::unique(), {.authkey = "k"});
  const ByteSocketConnection client = connect_to(listener.address(), {});
  client.send_bytes(std::vector<std::byte>(257));
  EXPECT_THROW((void)listener.accept(), OsError);
}

TEST(Listener, AcceptsNobodyAtTheDeadline) {
  Listener listener;
  EXPECT_FALSE(listener.accept_for(20ms));
  listener.close();
  EXPECT_THROW((void)listener.accept(), UsageError);
}

TEST(Listener, ItsPathIsItsUsersAloneAndGoesWithIt) {
  const Folder folder;
  {
    const Listener listener(Address::unix_path(folder / "s"));
    struct stat status {};
    ASSERT_EQ(::stat((folder / "s").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
  }
  EXPECT_FALSE(fs::exists(folder / "s"));
}

TEST(Listener, TakesThePathOfAKilledOneOver) {
  const Folder folder;
  const Address address = Address::unix_path(folder / "s");
  ForkedChild victim([&] {
    const Listener listener(address);
    ::raise(SIGKILL);
  });
  EXPECT_EQ(victim.join(), -SIGKILL);
  ASSERT_TRUE(fs::exists(folder / "s"));
  EXPECT_THROW(Client<>{address}, OsError);
  Listener listener(address);
  auto [here, there] = connected<int>(listener);
  there.send(1);
  EXPECT_EQ(here.recv(), 1);
}

TEST(Listener, NeverTakesALivePathOver) {
  const Folder folder;
  const Listener first(Address::unix_path(folder / "s"));
  EXPECT_THROW(Listener{Address::unix_path(folder / "s")}, OsError);
  EXPECT_TRUE(fs::exists(folder / "s"));
  std::ofstream(folder / "file") << "precious";
  EXPECT_THROW(Listener{Address::unix_path(folder / "file")}, OsError);
  EXPECT_EQ(fs::file_size(folder / "file"), 8u);
}

// Of many that find a dead one's path at once, one gets it, and keeps it.
TEST(Listener, OfManyThatTakeAPathOverOneGetsIt) {
  const Folder folder;
  const Address address = Address::unix_path(folder / "s");
  for (int round = 0; round < 20; ++round) {
    ForkedChild victim([&] {
      const Listener listener(address);
      ::raise(SIGKILL);
    });
    (void)victim.join();
    std::atomic<int> got{0};
    std::vector<std::unique_ptr<Listener>> listeners(4);
    std::vector<std::thread> threads;
    for (auto& listener : listeners)
      threads.emplace_back([&] {
        try {
          listener = std::make_unique<Listener>(address);
          ++got;
        } catch (const OsError& error) {
          EXPECT_EQ(error.code(), EADDRINUSE);
        }
      });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(got, 1);
    EXPECT_NO_THROW(Client<>{address});
  }
}

TEST(Listener, GivesUpWhereAnotherHoldsTheLockOfTheFolder) {
  const Folder folder;
  const std::string path = folder / "s";
  const Address address = Address::unix_path(path);
  const Endpoint endpoint = resolve(address, true).front();
  const os::Fd socket = make_stream_socket(endpoint);
  {
    const FolderLock held(path, Deadline::now());
    for (const auto deadline : {Deadline::now(), Deadline::after(5ms)}) {
      try {
        listen_at_path(socket.get(), path, endpoint, 1, deadline);
        FAIL();
      } catch (const TimeoutError& error) {
        EXPECT_NE(std::string(error.what()).find(path), std::string::npos) << error.what();
      }
    }
    EXPECT_FALSE(fs::exists(path));
  }
  EXPECT_NO_THROW(Listener{address});
}

TEST(Listener, AChildThatWasForkedMeanwhileDoesNotKeepTheLockOfTheFolder) {
  const Folder folder;
  std::optional<FolderLock> held(std::in_place, folder / "s", Deadline::now());
  const ForkedChild child([] { ::pause(); });
  held.reset();
  EXPECT_NO_THROW(FolderLock(folder / "s", Deadline::now()));
}

TEST(Client, TellsThatNobodyListens) {
  EXPECT_THROW(Client<>{Address::unique()}, OsError);
  EXPECT_THROW(Client<>{Address::unix_path("/nowhere/at/all")}, OsError);
  EXPECT_THROW((Client<>{Address("no such host.invalid:1")}), Error);
}

TEST(Client, GivesUpOneWhoIsSlow) {
  Listener listener;  // nobody accepts
  EXPECT_THROW((Client<>{listener.address(), {.authkey = "k", .timeout = 50ms}}), TimeoutError);
}

TEST(AuthKey, OfAFile) {
  const Folder folder;
  std::ofstream(folder / "key") << "secret\n";
  ::chmod((folder / "key").c_str(), 0644);
  EXPECT_THROW((void)AuthKey::from_file(folder / "key"), InvalidArgument);
  ::chmod((folder / "key").c_str(), 0600);
  const AuthKey key = AuthKey::from_file(folder / "key");
  EXPECT_EQ(key.bytes().size(), 6u);
  EXPECT_EQ(fmt::format("{}", key), "AuthKey(...)");
  EXPECT_THROW((void)AuthKey::from_file(folder / "none"), OsError);
  EXPECT_THROW(AuthKey(""), InvalidArgument);
}

}  // namespace
}  // namespace polyproc::testing
