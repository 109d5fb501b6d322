// SPDX-License-Identifier: MIT
// What a queue does for one process and its forked children, all of them alive.
#include <polyproc/channel/queue.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/os/error.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/forked_child.hpp"

namespace polyproc {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using testing::ForkedChild;

struct Point {
  double x, y;
  int id;
};

TEST(Queue, IsFirstInFirstOut) {
  Queue<int> queue;
  for (int i = 0; i < 10000; ++i) queue.put(i);
  EXPECT_EQ(queue.qsize(), 10000u);
  for (int i = 0; i < 10000; ++i) ASSERT_EQ(queue.get(), i);
  EXPECT_TRUE(queue.empty());
}

TEST(Queue, CarriesEveryKindOfItem) {
  Queue<Point> points;
  points.put({1.5, 2.5, 3});
  EXPECT_EQ(points.get().y, 2.5);
  Queue<char> chars;
  chars.put('x');
  EXPECT_EQ(chars.get(), 'x');
  Queue<std::array<std::uint8_t, 100>> blocks;
  blocks.put({7});
  EXPECT_EQ(blocks.get().at(0), 7);
  Queue<std::vector<double>> vectors;
  vectors.put(std::vector<double>{});
  vectors.put(std::vector<double>(1000, 0.5));
  EXPECT_TRUE(vectors.get().empty());
  EXPECT_EQ(vectors.get(), std::vector<double>(1000, 0.5));
  Queue<std::vector<std::byte>> bytes;
  const std::array<std::byte, 3> some{std::byte{1}, std::byte{2}, std::byte{3}};
  bytes.put(std::span<const std::byte>(some));
  EXPECT_EQ(bytes.get().size(), 3u);
  SimpleQueue<std::string> strings;
  strings.put("hello");
  strings.put(std::string("with\0zero", 9));
  EXPECT_EQ(strings.get(), "hello");
  EXPECT_EQ(strings.get().size(), 9u);
}

TEST(Queue, CarriesMessagesOfEverySizeUpTo64MiB) {
  Queue<std::string> queue(Arena::anonymous());
  for (const std::size_t size : {0u, 1u, 7u, 8u, 9u, 2047u, 2048u, 2049u, 16000u, 16384u, 131063u, 131064u,
                                 131065u, 1u << 20, (64u << 20) + 3}) {
    std::string text(size, 'm');
    for (std::size_t i = 0; i < size; i += 4093) text[i] = static_cast<char>(i % 251);
    queue.put(text);
    ASSERT_TRUE(queue.get() == text) << size;
  }
}

TEST(Queue, BoundedOnesAreFullAtTheirSize) {
  Queue<int> queue(3);
  EXPECT_EQ(queue.maxsize(), 3u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(queue.full());
    EXPECT_TRUE(queue.try_put(i));
  }
  EXPECT_TRUE(queue.full());
  EXPECT_FALSE(queue.try_put(9));
  EXPECT_THROW(queue.put_nowait(9), Full);
  EXPECT_FALSE(queue.put_for(9, 20ms));
  EXPECT_FALSE(queue.put_until(9, std::chrono::steady_clock::now() + 20ms));
  EXPECT_EQ(queue.get(), 0);
  EXPECT_TRUE(queue.put_for(3, 1s));
  EXPECT_THAT(queue.get_many(10), ElementsAre(1, 2, 3));
}

TEST(Queue, GetReturnsNothingAtTheDeadline) {
  Queue<int> queue;
  EXPECT_FALSE(queue.try_get().has_value());
  EXPECT_THROW((void)queue.get_nowait(), Empty);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(queue.get_for(70ms).has_value());
  EXPECT_FALSE(queue.get_until(std::chrono::system_clock::now() + 70ms).has_value());
  EXPECT_GE(testing::seconds_since(start), 0.139);
  EXPECT_LT(testing::seconds_since(start), 2.0);
  queue.put(5);
  EXPECT_EQ(queue.get_for(1ms), 5);
}

TEST(Queue, ManyItemsGoInAndOutTogether) {
  Queue<std::string> queue;
  std::vector<std::string> items;
  for (std::size_t i = 0; i < 500; ++i)
    items.push_back(std::string(i % 50 == 49 ? 150000 : i % 7 == 3 ? 9000 : i, 'q'));
  queue.put_many(items);
  EXPECT_EQ(queue.qsize(), items.size());
  std::vector<std::string> got;
  while (got.size() < items.size()) {
    for (auto& item : queue.get_many(60)) got.push_back(std::move(item));
  }
  EXPECT_TRUE(got == items);
  EXPECT_TRUE(queue.get_many(0).empty());
  queue.put_many(std::vector<std::string>{});
  EXPECT_TRUE(queue.empty());
}

TEST(Queue, PutManyWaitsForRoomInABoundedQueue) {
  Queue<int> queue(4);
  ForkedChild producer([&] {
    std::vector<int> items(1000);
    for (int i = 0; i < 1000; ++i) items[static_cast<std::size_t>(i)] = i;
    queue.put_many(items);
  });
  for (int i = 0; i < 1000; ++i) {
    ASSERT_LE(queue.qsize(), 4u);
    ASSERT_EQ(queue.get(), i);
  }
  EXPECT_EQ(producer.join(), 0);
}

TEST(Queue, AProducerMayExitAtOnceAfterPutAndBeJoinedBeforeTheDrain) {
  Queue<std::string> queue;
  ForkedChild producer([&] {
    for (int i = 0; i < 300; ++i) queue.put(std::string(20000, 'p'));
  });
  EXPECT_EQ(producer.join(), 0);
  EXPECT_EQ(queue.qsize(), 300u);
  for (int i = 0; i < 300; ++i) ASSERT_EQ(queue.get().size(), 20000u);
}

TEST(Queue, ShutdownLetsTheRestBeGot) {
  Queue<int> queue;
  queue.put(1);
  queue.shutdown();
  EXPECT_TRUE(queue.is_shut_down());
  EXPECT_THROW(queue.put(2), ShutDown);
  EXPECT_THROW((void)queue.try_put(2), ShutDown);
  EXPECT_THROW(queue.put_many(std::vector<int>{1, 2}), ShutDown);
  EXPECT_EQ(queue.get(), 1);
  EXPECT_THROW((void)queue.get(), ShutDown);
  EXPECT_THROW((void)queue.try_get(), ShutDown);
  EXPECT_THROW((void)queue.get_many(3), ShutDown);
  queue.shutdown();
}

TEST(Queue, ImmediateShutdownDropsTheRest) {
  Queue<std::string> queue;
  for (int i = 0; i < 50; ++i) queue.put(std::string(static_cast<std::size_t>(i) * 5000, 'x'));
  queue.shutdown(true);
  EXPECT_TRUE(queue.empty());
  EXPECT_THROW((void)queue.get(), ShutDown);
}

TEST(Queue, ShutdownWakesWhoWaits) {
  Queue<int> empty;
  Queue<int> full(1);
  full.put(1);
  const auto ends_by_shutdown = [](auto act) {
    try {
      act();
    } catch (const ShutDown&) {
      return 0;
    }
    return 1;
  };
  ForkedChild getter([&] { return ends_by_shutdown([&] { (void)empty.get(); }); });
  ForkedChild putter([&] { return ends_by_shutdown([&] { full.put(2); }); });
  ASSERT_TRUE(testing::wait_until_asleep(getter.pid()));
  ASSERT_TRUE(testing::wait_until_asleep(putter.pid()));
  const auto start = std::chrono::steady_clock::now();
  empty.shutdown();
  full.shutdown();
  EXPECT_EQ(getter.join(), 0);
  EXPECT_EQ(putter.join(), 0);
  EXPECT_LT(testing::seconds_since(start), 1.0);
}

TEST(Queue, RangeForEndsWhenShutDownAndDrained) {
  Queue<int> queue;
  ForkedChild producer([&] {
    for (int i = 1; i <= 100; ++i) queue.put(i);
    queue.shutdown();
  });
  int sum = 0;
  for (const int item : queue) sum += item;
  EXPECT_EQ(sum, 5050);
  EXPECT_EQ(producer.join(), 0);
}

TEST(Queue, EmptyHandlesAreRefused) {
  Queue<int> queue;
  Queue<int> copy = queue;
  EXPECT_EQ(copy, queue);
  Queue<int> moved = std::move(copy);
  EXPECT_THROW(copy.put(1), UsageError);  // NOLINT: the moved-from state is the subject
  EXPECT_THROW((void)copy.get(), UsageError);
  EXPECT_THROW((void)copy.qsize(), UsageError);
  EXPECT_THROW((void)copy.full(), UsageError);
  EXPECT_THROW((void)copy.maxsize(), UsageError);
  EXPECT_THROW((void)copy.handle(), UsageError);
  EXPECT_THROW(copy.shutdown(), UsageError);
  EXPECT_THROW((void)copy.get_many(1), UsageError);
  EXPECT_THROW(copy.put_many(std::vector<int>{1}), UsageError);
  moved.close();
  moved.close();
  EXPECT_THROW(moved.put(1), UsageError);
  copy = queue;
  copy.put(4);
  EXPECT_EQ(queue.get(), 4);
  auto& same = copy;
  copy = std::move(same);
  EXPECT_TRUE(copy.empty());
}

TEST(Queue, OtherTypesAreRefused) {
  Queue<int> queue;
  EXPECT_EQ(Queue<int>::from_block(queue.block()), queue);
  EXPECT_THROW((void)Queue<double>::from_block(queue.block()), TypeMismatch);
  EXPECT_THROW((void)Queue<std::string>::from_block(queue.block()), TypeMismatch);
  EXPECT_THROW((void)SimpleQueue<int>::from_block(queue.block()), TypeMismatch);
  EXPECT_THROW((void)JoinableQueue<int>::from_block(queue.block()), TypeMismatch);
}

TEST(Queue, IsFoundByNameInANamedArena) {
  {
    const Arena arena = Arena::create("queues");
    Queue<int> queue(arena, "orders", 7);
    queue.put(3);
    Queue<int> same(Arena::open("queues"), "orders");
    EXPECT_EQ(same.maxsize(), 7u);
    EXPECT_EQ(same.get(), 3);
    EXPECT_THROW(Queue<double>(arena, "orders"), TypeMismatch);
    EXPECT_THROW(JoinableQueue<int>(arena, "orders"), TypeMismatch);
  }
  Arena::remove("queues");
}

TEST(Queue, IsRefusedWhenTheArenaIsFullAndWorksOn) {
  const Arena arena = Arena::anonymous({.limit = 4 << 20, .reserve = 0});
  Queue<std::string> queue(arena);
  for (const std::size_t size : {100u, 50000u, 300000u}) {
    std::uint64_t put = 0;
    try {
      for (;; ++put) queue.put(std::to_string(put) + std::string(size, 'f'));
    } catch (const ArenaFull&) {
    }
    ASSERT_GT(put, 2u);
    EXPECT_THROW(queue.put(std::string(8 << 20, 'l')), ArenaFull);
    EXPECT_EQ(queue.qsize(), put);
    EXPECT_TRUE(arena.check().clean());
    for (std::uint64_t i = 0; i < put; ++i)
      ASSERT_EQ(queue.get(), std::to_string(i) + std::string(size, 'f'));
    EXPECT_TRUE(queue.empty());
  }
  queue.put("still usable");
  EXPECT_EQ(queue.get(), "still usable");
}

TEST(Queue, SignalsDuringABlockingCallDoNotEndIt) {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  ::sigaction(SIGUSR1, &action, nullptr);
  Queue<int> queue(1);
  ForkedChild getter([&] { return queue.get() == 7 && queue.get_for(20s) == 8 ? 0 : 1; });
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(testing::wait_until_asleep(getter.pid()));
    getter.kill(SIGUSR1);
  }
  queue.put(7);
  ASSERT_TRUE(testing::wait_until_asleep(getter.pid()));
  getter.kill(SIGUSR1);
  queue.put(8);
  EXPECT_EQ(getter.join(), 0);
}

TEST(Queue, AHandleMadeBeforeAForkIsUsableInGrandchildren) {
  Queue<int> queue;
  ForkedChild child([&] {
    ForkedChild grandchild([&] { queue.put(1); });
    const int code = grandchild.join();
    queue.put(2);
    return code;
  });
  EXPECT_EQ(child.join(), 0);
  EXPECT_THAT(queue.get_many(5), ElementsAre(1, 2));
}

}  // namespace
}  // namespace polyproc
