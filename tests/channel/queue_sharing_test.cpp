// SPDX-License-Identifier: MIT
// Many producers and consumers, threads and processes mixed: each item goes to exactly one consumer, in its producer's
// order; what the queue says about itself is exact.
#include <gtest/gtest.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/channel/queue.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "channel/queue_state.hpp"
#include "os/sanitizer.hpp"
#include "support/forked_child.hpp"
#include "support/refusals.hpp"
#include "sync/sleepers.hpp"

namespace polyproc {
namespace {

using namespace std::chrono_literals;
using testing::ForkedChild;
using testing::SharedPage;

constexpr std::uint32_t kProducers = 4;
constexpr std::uint32_t kEach = 3000;

struct Ticket {
  std::uint32_t producer;
  std::uint32_t number;
};

struct Tally {
  std::array<std::array<std::atomic<std::uint8_t>, kEach>, kProducers> got;
  std::atomic<std::uint32_t> wrong;
};

void produce(Queue<Ticket>& queue, std::uint32_t producer) {
  for (std::uint32_t i = 0; i < kEach; ++i) queue.put({producer, i});
}

void consume(Queue<Ticket>& queue, Tally& tally) {
  std::array<std::uint32_t, kProducers> next{};
  for (const Ticket ticket : queue) {
    const bool in_order = ticket.number >= next.at(ticket.producer);
    next.at(ticket.producer) = ticket.number + 1;
    if (!in_order || tally.got.at(ticket.producer).at(ticket.number)++ != 0) ++tally.wrong;
  }
}

void expect_each_once(const Tally& tally) {
  EXPECT_EQ(tally.wrong, 0u);
  for (const auto& numbers : tally.got) {
    for (const auto& count : numbers) ASSERT_EQ(count, 1);
  }
}

class QueueSharing : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(QueueSharing, AmongThreads) {
  Queue<Ticket> queue(GetParam());
  const auto tally = std::make_unique<Tally>();
  std::vector<std::thread> producers;
  std::vector<std::thread> consumers;
  for (std::uint32_t i = 0; i < kProducers; ++i) producers.emplace_back([&, i] { produce(queue, i); });
  for (int i = 0; i < 3; ++i) consumers.emplace_back([&] { consume(queue, *tally); });
  for (auto& thread : producers) thread.join();
  queue.shutdown();
  for (auto& thread : consumers) thread.join();
  expect_each_once(*tally);
}

TEST_P(QueueSharing, AmongThreadsAndProcesses) {
#if defined(POLYPROC_THREAD_SANITIZER)
  GTEST_SKIP() << "the sanitizer does not see what other processes do: where one stands between two of our "
                  "threads, it "
                  "reports their accesses, which that process has ordered, as a race";
#endif
  Queue<Ticket> queue(GetParam());
  SharedPage<Tally> tally;
  ForkedChild producers([&] {
    std::thread other([&] { produce(queue, 0); });
    produce(queue, 1);
    other.join();
  });
  ForkedChild producer([&] { produce(queue, 2); });
  ForkedChild consumers([&] {
    std::thread other([&] { consume(queue, *tally); });
    consume(queue, *tally);
    other.join();
  });
  std::thread own_consumer([&] { consume(queue, *tally); });
  produce(queue, 3);
  EXPECT_EQ(producers.join(), 0);
  EXPECT_EQ(producer.join(), 0);
  queue.shutdown();
  EXPECT_EQ(consumers.join(), 0);
  own_consumer.join();
  expect_each_once(*tally);
}

INSTANTIATE_TEST_SUITE_P(Sizes, QueueSharing, ::testing::Values(0, 1, 100));

TEST(QueueExact, TryGetFindsAnItemAlsoWhileOthersGet) {
  Queue<int> queue;
  constexpr int kItems = 20000;
  for (int i = 0; i < kItems; ++i) queue.put(i);
  std::atomic<int> nothing{0};
  std::atomic<int> got{0};
  const auto get = [&] {
    // Each of the three takes a third: there is always an item left for whoever looks.
    for (int i = 0; i < kItems / 3; ++i) queue.try_get() ? ++got : ++nothing;
  };
  std::thread first(get);
  std::thread second(get);
  get();
  first.join();
  second.join();
  EXPECT_EQ(nothing, 0);
  EXPECT_EQ(got, kItems / 3 * 3);
}

TEST(QueueExact, TryPutFindsRoomAlsoWhileOthersPut) {
  Queue<int> queue(20000);
  std::atomic<int> full{0};
  const auto put = [&] {
    for (int i = 0; i < 5000; ++i) full += !queue.try_put(i);
  };
  std::thread first(put);
  std::thread second(put);
  put();
  first.join();
  second.join();
  EXPECT_EQ(full, 0);
  EXPECT_EQ(queue.qsize(), 15000u);
}

TEST(QueueExact, SizeIsNeverOutsideWhatCanBe) {
  Queue<int> queue(10);
  std::atomic<bool> stop{false};
  std::thread producer([&] {
    for (int i = 0; !stop; ++i) (void)queue.put_for(i, 1ms);
  });
  std::thread consumer([&] {
    while (!stop) (void)queue.get_for(1ms);
  });
  for (int i = 0; i < 20000; ++i) ASSERT_LE(queue.qsize(), 10u);
  stop = true;
  producer.join();
  consumer.join();
}

// Waits until this child, the first at this end, sleeps in the queue, or has been killed as it woke up from there.
[[nodiscard]] bool sleeps_at(const Queue<int>& queue, QueueEnd QueueState::*end, const ForkedChild& child) {
  const auto& sleepers = (reinterpret_cast<const QueueState*>(queue.block().data())->*end).sleepers;
  return testing::wait_until([&] { return child.ended() || (sleepers & kSleepersAsleep) != 0; }) &&
         testing::wait_until([&] { return child.ended() || testing::process_state(child.pid()) == 'S'; });
}

TEST(QueueWakeUp, GivenToAKilledConsumerIsNotLost) {
#if !POLYPROC_FAIL_POINTS
  GTEST_SKIP() << "no fail points in this build";
#endif
  for (int i = 0; i < 40; ++i) {
    Queue<int> queue;
    ForkedChild victim([&] {
      os::arm_fail_point("sleepers.woken");
      (void)queue.get();
    });
    ASSERT_TRUE(sleeps_at(queue, &QueueState::get, victim));
    ForkedChild survivor([&] { return queue.get_for(10s) == 7 ? 0 : 1; });
    (void)testing::wait_until(
        [&] { return victim.ended() || testing::process_state(survivor.pid()) == 'S'; });
    queue.put(7);
    EXPECT_EQ(survivor.join(), 0) << i;
    EXPECT_EQ(victim.join(), -SIGKILL) << i;
  }
}

TEST(QueueWakeUp, GivenToAKilledProducerIsNotLost) {
#if !POLYPROC_FAIL_POINTS
  GTEST_SKIP() << "no fail points in this build";
#endif
  for (int i = 0; i < 40; ++i) {
    Queue<int> queue(1);
    queue.put(1);
    ForkedChild victim([&] {
      os::arm_fail_point("sleepers.woken");
      queue.put(2);
    });
    ASSERT_TRUE(sleeps_at(queue, &QueueState::put, victim));
    ForkedChild survivor([&] { return queue.put_for(7, 10s) ? 0 : 1; });
    (void)testing::wait_until(
        [&] { return victim.ended() || testing::process_state(survivor.pid()) == 'S'; });
    EXPECT_EQ(queue.get(), 1);
    EXPECT_EQ(survivor.join(), 0) << i;
    EXPECT_EQ(victim.join(), -SIGKILL) << i;
    EXPECT_EQ(queue.get(), 7);
  }
}

TEST(QueueWakeUp, ThatTheWakerDidNotLiveToGiveIsNotMissed) {
#if !POLYPROC_FAIL_POINTS
  GTEST_SKIP() << "no fail points in this build";
#endif
  for (const char* point : {"queue.put.committed", "sleepers.before_wake"}) {
    Queue<int> queue;
    ForkedChild consumer([&] { return queue.get_for(10s) == 7 ? 0 : 1; });
    ASSERT_TRUE(sleeps_at(queue, &QueueState::get, consumer));
    ForkedChild producer([&] {
      os::arm_fail_point(point);
      queue.put(7);
      ::raise(SIGKILL);
    });
    EXPECT_EQ(producer.join(), -SIGKILL);
    EXPECT_EQ(consumer.join(), 0) << point;
  }
}

TEST(QueueWakeUp, ASleeperKilledAsleepHarmsNobody) {
  Queue<int> queue;
  for (int i = 0; i < 10; ++i) {
    ForkedChild victim([&] { (void)queue.get(); });
    ForkedChild survivor([&] { return queue.get_for(10s) == i ? 0 : 1; });
    ASSERT_TRUE(testing::wait_until_asleep(victim.pid()));
    ASSERT_TRUE(testing::wait_until_asleep(survivor.pid()));
    victim.kill(SIGKILL);
    EXPECT_EQ(victim.join(), -SIGKILL);
    const auto start = std::chrono::steady_clock::now();
    queue.put(i);
    EXPECT_EQ(survivor.join(), 0);
    EXPECT_LT(testing::seconds_since(start), 1.0);
  }
}

// A handle that looks away while its ring is freed, and comes back to a larger one at the same place.
TEST(QueueRings, AHandleIsNotFooledByANewRingAtAnOldPlace) {
  const Arena arena = Arena::anonymous();
  const auto ring_of = [](const Queue<std::string>& queue) {
    const auto& put = reinterpret_cast<const QueueState*>(queue.block().data())->put;
    return put.cursors[put.commit & 1].ring.load();
  };
  std::vector<Queue<std::string>> queues;
  do {
    queues.emplace_back(arena);
    ASSERT_LT(queues.size(), 1000u);
  } while (ring_of(queues.back()) % (4 << 20) != 0);
  Queue<std::string> idle = queues.back();
  queues.clear();
  Queue<std::string> busy = idle;
  idle.put("a");
  EXPECT_EQ(idle.get(), "a");
  const std::uint64_t place = ring_of(idle);
  std::vector<BlockRef> elsewhere;
  for (int round = 0; round < 200; ++round) {
    int put = 0;
    const std::uint64_t before = ring_of(busy);
    for (; ring_of(busy) == before; ++put) busy.put(std::string(1000, 'b'));
    for (; put > 0; --put) ASSERT_EQ(busy.get(), std::string(1000, 'b'));
    if (ring_of(busy) == place) break;
  }
  if (ring_of(busy) != place) GTEST_SKIP() << "no ring came to lie at the old place";
  for (int i = 0; i < 100; ++i) busy.put(std::string(1000, 'c'));
  idle.put("at the end");
  for (int i = 0; i < 100; ++i) ASSERT_EQ(busy.get(), std::string(1000, 'c')) << i;
  EXPECT_EQ(busy.try_get(), "at the end");
}

TEST(QueueSharing, AChildThatGotNoPlaceIsToldSo) {
  Queue<int> queue;
  queue.put(1);
  std::optional<ForkedChild> child;
  {
    const testing::NoDescriptors none;
    child.emplace([&] {
      int wrong = 2;
      try {
        queue.put(2);
      } catch (const UsageError&) {
        --wrong;
      }
      try {
        (void)queue.get();
      } catch (const UsageError&) {
        --wrong;
      }
      return wrong;
    });
  }
  EXPECT_EQ(child->join(), 0);
  EXPECT_EQ(queue.get(), 1);
}

}  // namespace
}  // namespace polyproc
