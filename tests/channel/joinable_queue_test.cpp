// SPDX-License-Identifier: MIT
// task_done and join, with consumers that live and consumers that die.
#include <gtest/gtest.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/channel/queue.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>

#include "support/forked_child.hpp"

namespace polyproc {
namespace {

using namespace std::chrono_literals;
using testing::ForkedChild;
using testing::SharedPage;

TEST(JoinableQueue, JoinOfAnUntouchedQueueReturnsAtOnce) {
  JoinableQueue<int> queue;
  EXPECT_EQ(queue.join(), 0u);
}

TEST(JoinableQueue, JoinWaitsUntilAllIsDone) {
  JoinableQueue<int> queue;
  for (int i = 0; i < 100; ++i) queue.put(i);
  EXPECT_FALSE(queue.join_for(10ms).has_value());
  ForkedChild consumer([&] {
    for (int i = 0; i < 100; ++i) {
      (void)queue.get();
      queue.task_done();
    }
  });
  EXPECT_EQ(queue.join(), 0u);
  EXPECT_EQ(consumer.join(), 0);
}

TEST(JoinableQueue, GetManyCountsEachItem) {
  JoinableQueue<int> queue;
  queue.put_many(std::vector<int>{1, 2, 3});
  EXPECT_EQ(queue.get_many(10).size(), 3u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(queue.join_for(0ms).has_value());
    queue.task_done();
  }
  EXPECT_EQ(queue.join(), 0u);
}

TEST(JoinableQueue, TooManyTaskDoneAreRefused) {
  JoinableQueue<int> queue;
  EXPECT_THROW(queue.task_done(), UsageError);
  queue.put(1);
  EXPECT_THROW(queue.task_done(), UsageError) << "it was not got yet";
  (void)queue.get();
  queue.task_done();
  EXPECT_THROW(queue.task_done(), UsageError);
  EXPECT_EQ(queue.join(), 0u);
}

TEST(JoinableQueue, AnotherProcessMaySettleWhatThisOneGot) {
  JoinableQueue<int> queue;
  queue.put(1);
  (void)queue.get();
  ForkedChild other([&] { queue.task_done(); });
  EXPECT_EQ(other.join(), 0);
  EXPECT_EQ(queue.join(), 0u);
}

TEST(JoinableQueue, ADeadConsumersItemsAreSettledAndReportedOnce) {
  JoinableQueue<std::string> queue;
  for (int i = 0; i < 5; ++i) queue.put(std::string(static_cast<std::size_t>(i) * 60000, 'x'));
  ForkedChild consumer([&] {
    for (int i = 0; i < 3; ++i) (void)queue.get();
    queue.task_done();
    ::raise(SIGKILL);
  });
  EXPECT_EQ(consumer.join(), -SIGKILL);
  for (int i = 0; i < 2; ++i) {
    (void)queue.get();
    queue.task_done();
  }
  EXPECT_EQ(queue.join(), 2u);
  EXPECT_EQ(queue.join(), 0u);
}

TEST(JoinableQueue, JoinThatIsAsleepLearnsOfADeathWithinASecond) {
  JoinableQueue<int> queue;
  queue.put(1);
  SharedPage<std::atomic<int>> got;
  ForkedChild consumer([&] {
    (void)queue.get();
    *got = 1;
    for (;;) ::pause();
  });
  SharedPage<std::atomic<std::uint64_t>> lost;
  ForkedChild joiner([&] { *lost = queue.join(); });
  ASSERT_TRUE(testing::wait_until([&] { return *got == 1; }));
  ASSERT_TRUE(testing::wait_until_asleep(joiner.pid()));
  const auto start = std::chrono::steady_clock::now();
  consumer.kill(SIGKILL);
  EXPECT_EQ(consumer.join(), -SIGKILL);
  EXPECT_EQ(joiner.join(), 0);
  EXPECT_LT(testing::seconds_since(start), 1.0);
  EXPECT_EQ(lost->load(), 1u);
}

TEST(JoinableQueue, ItemsDroppedByShutdownAreSettled) {
  JoinableQueue<int> queue;
  queue.put_many(std::vector<int>{1, 2, 3});
  (void)queue.get();
  queue.shutdown(true);
  EXPECT_FALSE(queue.join_for(1ms).has_value());
  queue.task_done();
  EXPECT_EQ(queue.join(), 0u);
}

TEST(JoinableQueue, AGetThatWasNotCommittedIsSeenByNobody) {
#if !POLYPROC_FAIL_POINTS
  GTEST_SKIP() << "no fail points in this build";
#endif
  const Arena arena = Arena::anonymous();
  for (const char* point : {"queue.get.before_commit", "transaction.before_commit", "biased_mutex.announced",
                            "queue.get.copied", "queue.get.committed"}) {
    for (std::uint32_t countdown = 1; countdown < 6; ++countdown) {
      JoinableQueue<std::string> queue(arena);
      std::uint64_t put = 0;
      const auto item = [](std::uint64_t number) {
        return std::to_string(number) + std::string(500, 'a' + char(number % 26));
      };
      for (; put < 30; ++put) queue.put(item(put));
      SharedPage<std::atomic<std::uint64_t>> got;
      ForkedChild consumer([&] {
        ++*got, (void)queue.get();
        os::arm_fail_point(point, countdown);
        for (int i = 0; i < 20; ++i) {
          (void)queue.get();
          ++*got;
        }
        ::raise(SIGKILL);
      });
      ASSERT_EQ(consumer.join(), -SIGKILL);
      const std::uint64_t seen = queue.qsize();
      // A ring's worth of items: they reach the place of what the dead consumer had in hand.
      for (; put < 200; ++put) queue.put(item(put));
      EXPECT_EQ(queue.qsize(), seen + 170) << point << countdown;
      std::uint64_t next = 200 - queue.qsize();
      EXPECT_GE(next, got->load()) << point << countdown;
      EXPECT_LE(next, got->load() + 1) << point << countdown;
      const std::uint64_t gone = next;
      while (const auto text = queue.try_get()) {
        ASSERT_EQ(*text, item(next)) << point << countdown;
        queue.task_done();
        ++next;
      }
      EXPECT_EQ(next, 200u) << point << countdown;
      EXPECT_EQ(queue.join(), gone) << point << countdown;
    }
  }
}

TEST(JoinableQueue, AConsumerKilledInTaskDoneIsCountedExactly) {
#if !POLYPROC_FAIL_POINTS
  GTEST_SKIP() << "no fail points in this build";
#endif
  for (const char* point : {"queue.task_done.counted", "transaction.logged", "transaction.before_commit",
                            "transaction.committed"}) {
    JoinableQueue<int> queue;
    for (int i = 0; i < 4; ++i) queue.put(i);
    ForkedChild consumer([&] {
      for (int i = 0; i < 2; ++i) (void)queue.get();
      os::arm_fail_point(point, 2);
      for (int i = 0; i < 2; ++i) queue.task_done();
    });
    EXPECT_EQ(consumer.join(), -SIGKILL) << point;
    for (int i = 0; i < 2; ++i) {
      (void)queue.get();
      queue.task_done();
    }
    const auto start = std::chrono::steady_clock::now();
    EXPECT_LE(queue.join(), 2u) << point;
    EXPECT_LT(testing::seconds_since(start), 1.0) << point;
    EXPECT_EQ(queue.join(), 0u) << point;
  }
}

TEST(JoinableQueue, ConsumersThatComeAndGoLeaveNothingBehind) {
  const Arena arena = Arena::anonymous();
  JoinableQueue<int> queue(arena);
  const auto one = [&] {
    queue.put(1);
    ForkedChild consumer([&] {
      (void)queue.get();
      queue.task_done();
    });
    EXPECT_EQ(consumer.join(), 0);
    arena.recover();
  };
  for (int i = 0; i < 3; ++i) one();
  const std::uint64_t blocks = arena.stats().blocks;
  for (int i = 0; i < 20; ++i) one();
  EXPECT_LE(arena.stats().blocks, blocks + 1);
  EXPECT_EQ(queue.join(), 0u);
}

}  // namespace
}  // namespace polyproc
