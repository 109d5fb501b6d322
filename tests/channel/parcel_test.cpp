// SPDX-License-Identifier: MIT
// Descriptors in items of queues: what arrives, and when they are closed.
#include <sys/resource.h>

#include <atomic>
#include <csignal>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <polyproc/shared/value.hpp>

#include "parcel_support.hpp"

namespace polyproc {
namespace {

using namespace testing;
using namespace std::chrono_literals;

TEST_F(Parcel, AConnectionOutlivesItsSender) {
  Ends queue(arena_);
  for (const bool killed : {false, true}) {
    Pipe<int> pipe;
    ForkedChild sender([&] {
      queue.put(pipe.second);
      if (killed) ::raise(SIGKILL);
    });
    EXPECT_EQ(sender.join(), killed ? -SIGKILL : 0);
    pipe.second.close();
    arena_.recover();
    Connection<int> got = queue.get();
    got.send(5);
    EXPECT_EQ(pipe.first.recv_for(kPatience), 5);
    EXPECT_FALSE(pipe.first.poll());
    got.close();  // no other copy is anywhere
    EXPECT_THROW((void)pipe.first.try_recv(), EndOfFile);
  }
}

TEST_F(Parcel, GoesThroughEachKindOfQueueAndSeveralAtOnce) {
  Queue<os::Fd> queue(arena_);
  SimpleQueue<os::Fd> simple(arena_);
  JoinableQueue<std::vector<os::Fd>> joinable(arena_);
  queue.put(event(1));
  simple.put(event(2));
  std::vector<std::vector<os::Fd>> items(3);
  items[0].push_back(event(3));
  items[2].push_back(event(4));
  items[2].push_back(event(5));
  joinable.put_many(items);
  EXPECT_EQ(value_of(queue.get()), 1u);
  EXPECT_EQ(value_of(simple.get()), 2u);
  const auto got = joinable.get_many(3);
  ASSERT_EQ(got.size(), 3u);
  EXPECT_EQ(value_of(got[0].at(0)), 3u);
  EXPECT_TRUE(got[1].empty());
  EXPECT_EQ(value_of(got[2].at(1)), 5u);
  for (int i = 0; i < 3; ++i) joinable.task_done();
  EXPECT_EQ(joinable.join(), 0u);
}

struct Work {
  Connection<std::string> answers;
  Value<int> number;
  std::string note;
  os::Fd event;
};

TEST_F(Parcel, GoesTogetherWithSharedObjects) {
  Queue<Work> queue(arena_);
  Pipe<std::string> pipe;
  Value<int> number(arena_, 7);
  ForkedChild sender([&] { queue.put(Work{pipe.second, number, "note", event(8)}); });
  EXPECT_EQ(sender.join(), 0);
  pipe.second.close();
  {
    const Work work = queue.get();
    EXPECT_EQ(work.number, number);
    EXPECT_EQ(value_of(work.event), 8u);
    work.answers.send(work.note);
  }
  EXPECT_EQ(pipe.first.recv_for(kPatience), "note");
  expect_closed(pipe.first);
}

TEST_F(Parcel, HoldsMoreDescriptorsThanAPacketDoes) {
  constexpr std::size_t kMany = 300;
  Queue<std::vector<os::Fd>> queue(arena_);
  ForkedChild sender([&] {
    std::vector<os::Fd> all;
    for (std::size_t i = 1; i <= kMany; ++i) all.push_back(event(i));
    queue.put(all);
  });
  EXPECT_EQ(sender.join(), 0);
  const auto got = queue.get();
  ASSERT_EQ(got.size(), kMany);
  for (std::size_t i = 0; i < kMany; ++i) EXPECT_EQ(value_of(got[i]), i + 1);
}

TEST_F(Parcel, IsClosedWithItsItem) {
  const auto put_one = [&](Ends& queue) {
    Pipe<int> pipe;
    queue.put(pipe.second);
    pipe.second.close();
    EXPECT_FALSE(pipe.first.poll());
    return pipe.first;
  };
  std::optional<Ends> queue(arena_);
  const auto first = put_one(*queue);
  const auto second = put_one(*queue);
  queue->get().close();
  EXPECT_THROW((void)first.try_recv(), EndOfFile);
  queue->shutdown(true);
  expect_closed(second);
  queue.emplace(arena_);
  const auto third = put_one(*queue);
  queue.reset();
  expect_closed(third);
  queue.emplace(arena_);
  const auto fourth = put_one(*queue);
  close_links();  // nobody tells the keeper: it finds out
  queue.reset();
  expect_closed(fourth);
  EXPECT_TRUE(arena_.check().clean());
}

TEST_F(Parcel, IsClosedWhenThePutFails) {
  Ends queue(arena_, 1);
  Pipe<int> pipe, other;
  queue.put(other.second);
  EXPECT_FALSE(queue.try_put(pipe.second));
  EXPECT_FALSE(queue.put_for(pipe.second, 1ms));
  pipe.second.close();
  expect_closed(pipe.first);
  EXPECT_EQ(queue.qsize(), 1u);
  queue.shutdown();
  EXPECT_THROW(queue.put(other.first), ShutDown);
  (void)queue.get();
}

TEST_F(Parcel, OfAClosedDescriptorIsRefused) {
  Queue<os::Fd> queue(arena_);
  EXPECT_THROW(queue.put(os::Fd()), UsageError);
  const int number = event(1).get();  // closed again
  try {
    os::Fd stale(number);
    queue.put(stale);
    ADD_FAILURE() << "was accepted";
    (void)stale.release();
  } catch (const OsError& error) {
    EXPECT_EQ(error.code(), EBADF) << error.what();
  }
  EXPECT_TRUE(queue.empty());
}

TEST_F(Parcel, AReceiverWithoutRoomIsTold) {
  Queue<std::vector<os::Fd>> queue(arena_);
  std::vector<os::Fd> many;
  for (std::uint64_t i = 1; i <= 60; ++i) many.push_back(event(i));
  queue.put(many);
  ForkedChild child([&] {
    const rlimit few{70, 70};
    ::setrlimit(RLIMIT_NOFILE, &few);
    try {
      (void)queue.get();
    } catch (const OsError& error) {
      return error.code() == EMFILE ? 0 : 3;
    }
    return 4;
  });
  EXPECT_EQ(child.join(), 0);
  EXPECT_TRUE(queue.empty());
}

TEST_F(Parcel, ManyThreadsPutAndGetAtOnce) {
  Queue<os::Fd> queue(arena_);
  std::vector<std::thread> threads;
  std::atomic<std::uint64_t> sum = 0;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (std::uint64_t i = 1; i <= 50; ++i) queue.put(event(i));
    });
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) sum += value_of(queue.get());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sum, 3u * 50 * 51 / 2);
  EXPECT_EQ(Keepers::count(), 1u);
}

}  // namespace
}  // namespace polyproc
