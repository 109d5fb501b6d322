// SPDX-License-Identifier: MIT
// The process that keeps the descriptors in queues: how it comes, what it has, how it goes, and when it is killed.
#include <sys/resource.h>

#include <atomic>
#include <csignal>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "arena/arena_core.hpp"

#include "os/named_socket.hpp"
#include "parcel_support.hpp"

namespace polyproc {
namespace {

using namespace testing;
using namespace std::chrono_literals;

class Keeper : public Parcel {};

TEST_F(Keeper, AForkedChildHasAConnectionToTheKeeperOfItsOwn) {
  Queue<os::Fd> queue(arena_);
  queue.put(event(1));  // by this process's
  ForkedChild child([&] { return value_of(queue.get()) == 1 ? (queue.put(event(2)), 0) : 1; });
  EXPECT_EQ(child.join(), 0);
  EXPECT_EQ(value_of(queue.get()), 2u);
}

TEST_F(Keeper, IsLostWithAKilledKeeperAndTheReceiverIsTold) {
  Ends queue(arena_);
  Pipe<int> pipe;
  queue.put(pipe.second);
  pipe.second.close();
  Keepers::kill();
  expect_closed(pipe.first);
  try {
    (void)queue.get();
    ADD_FAILURE() << "came from nowhere";
  } catch (const OsError& error) {
    EXPECT_EQ(error.code(), ECONNRESET);
    EXPECT_NE(std::string(error.what()).find("was killed"), std::string::npos) << error.what();
  }
  EXPECT_TRUE(queue.empty());
  Pipe<int> next;
  queue.put(next.second);  // by another keeper
  queue.get().send(3);
  EXPECT_EQ(next.first.recv_for(kPatience), 3);
}

TEST_F(Keeper, OfALostOneAndALaterOneTheLaterArrives) {
  Ends queue(arena_);
  Pipe<int> pipe;
  queue.put(pipe.second);
  Keepers::kill();
  ForkedChild sender([&] { queue.put(pipe.second); });
  EXPECT_EQ(sender.join(), 0);
  EXPECT_THROW((void)queue.get(), OsError);
  queue.get().send(4);
  EXPECT_EQ(pipe.first.recv_for(kPatience), 4);
}

TEST_F(Keeper, SendersThatStartTheKeeperAtOnceStartOne) {
  constexpr int kSenders = 3;
  for (int round = 0; round < 5; ++round) {
    Queue<os::Fd> queue(arena_);
    const SharedPage<std::atomic<int>> ready;
    std::vector<ForkedChild> senders;
    for (int i = 0; i < kSenders; ++i) {
      senders.emplace_back([&] {
        ready->fetch_add(1);
        while (ready->load() < kSenders) {
        }
        queue.put(event(9));
      });
    }
    for (ForkedChild& sender : senders) EXPECT_EQ(sender.join(), 0);
    EXPECT_EQ(Keepers::count(), 1u);
    for (int i = 0; i < kSenders; ++i) EXPECT_EQ(value_of(queue.get()), 9u);
    close_links();
    EXPECT_TRUE(wait_until([] { return Keepers::count() == 0; }));
  }
}

TEST_F(Keeper, TheKeeperHasNothingOfItsMaker) {
  Queue<os::Fd> queue(arena_);
  queue.put(event(1));
  const std::string folder = "/proc/" + std::to_string(Keepers::find());
  expect_few_descriptors(folder);
  EXPECT_EQ(std::filesystem::read_symlink(folder + "/cwd"), "/");
  EXPECT_NE(::getsid(Keepers::find()), ::getsid(0));
  EXPECT_EQ(value_of(queue.get()), 1u);
}

TEST_F(Keeper, AnotherUsersProcessUnderTheKeepersNameIsNotTrusted) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs another user";
  const SharedPage<std::atomic<bool>> listens;
  ForkedChild squatter([&] {
    if (::setresuid(65534, 65534, 65534) != 0) return 3;
    const os::Fd socket = os::make_packet_socket();
    if (!os::bind_name(socket.get(), fmt::format("polyproc-keeper.{:016x}.0", arena_.id()))) return 4;
    os::start_listening(socket.get());
    listens->store(true);
    return ::pause();
  });
  ASSERT_TRUE(wait_until([&] { return listens->load() || squatter.ended(); }));
  Queue<os::Fd> queue(arena_);
  queue.put(event(1));
  EXPECT_EQ(arena_.core().header().keeper_number, 1u);
  EXPECT_EQ(value_of(queue.get()), 1u);
  EXPECT_FALSE(squatter.ended());
}

TEST_F(Keeper, AHostMayCloseAllDescriptorsAndUseTheirNumbers) {
  ForkedChild host([&] {
    Queue<os::Fd> queue(arena_);
    queue.put(event(1));
    for (int number = 3; number < 100; ++number) ::close(number);
    std::vector<os::Fd> others;
    while (others.size() < 60) others.push_back(event(5));
    queue.put(event(2));
    if (value_of(queue.get()) != 1 || value_of(queue.get()) != 2) return 3;
    for (const os::Fd& each : others)
      if (value_of(each) != 5) return 4;
    return 0;
  });
  EXPECT_EQ(host.join(), 0);
}

TEST_F(Keeper, TheKeeperEndsWithTheLastProcess) {
  Ends queue(arena_);
  Pipe<int> pipe;
  ForkedChild family([&] {
    const Arena own = Arena::anonymous({.limit = 64 << 20});
    Ends theirs(own);
    theirs.put(pipe.second);
    ::raise(SIGKILL);
  });
  EXPECT_EQ(family.join(), -SIGKILL);
  pipe.second.close();
  expect_closed(pipe.first);
  EXPECT_TRUE(wait_until([] { return Keepers::count() == 0; }));
}

TEST_F(Keeper, WhenTheKeeperIsFullTheSenderIsTold) {
  ForkedChild child([] {
    const Arena own = Arena::anonymous({.limit = 64 << 20});
    const rlimit few{64, 64};
    ::setrlimit(RLIMIT_NOFILE, &few);
    Queue<os::Fd> queue(own);
    std::uint64_t items = 0;
    try {
      for (;; ++items) queue.put(event(items + 1));
    } catch (const OsError& error) {
      if (error.code() != EMFILE) return 3;
    }
    if (items < 30 || items > 64 || queue.qsize() != items) return 4;
    if (value_of(queue.get()) != 1) return 5;
    queue.put(event(items + 1));
    for (std::uint64_t i = 2; i <= items + 1; ++i)
      if (value_of(queue.get()) != i) return 6;
    return own.check().clean() ? 0 : 7;
  });
  EXPECT_EQ(child.join(), 0);
}

}  // namespace
}  // namespace polyproc
