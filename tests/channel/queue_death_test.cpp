// SPDX-License-Identifier: MIT
// A process is killed at each named step of put and get, at several of its passages: the survivor goes on at once, the
// items are right, and after recovery the arena holds what it held before.
#include <gtest/gtest.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/channel/queue.hpp>
#include <polyproc/os/fail_point.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <set>
#include <string>

#include "channel/queue_state.hpp"
#include "support/forked_child.hpp"

namespace polyproc {
namespace {

using testing::ForkedChild;
using testing::SharedPage;

constexpr std::uint64_t kItems = 60;
constexpr std::array kCountdowns{1u, 2u, 9u};

// Item i: its number, and a body that shows tearing. Small ones, some that fill a ring, some in blocks of their own.
std::string item(std::uint64_t number) {
  const std::array<std::size_t, 4> sizes{24, 3000, 200000, 100};
  std::string text(sizes.at(number % sizes.size()), static_cast<char>('a' + number % 26));
  std::memcpy(text.data(), &number, sizeof number);
  return text;
}

std::uint64_t number_of(const std::string& text) {
  std::uint64_t number = 0;
  if (text.size() < sizeof number) return ~number;
  std::memcpy(&number, text.data(), sizeof number);
  return text == item(number) ? number : ~number;
}

struct Names {
  std::array<std::array<char, 64>, 128> names;
  std::atomic<std::uint64_t> count;
};

// What `body` passes when it is not killed.
std::set<std::string> passed_by(const std::function<void()>& body) {
  SharedPage<Names> page;
  ForkedChild child([&] {
    body();
    for (const auto& name : os::fail_points_passed()) {
      name.copy(page->names.at(page->count).data(), 63);
      ++page->count;
    }
  });
  EXPECT_EQ(child.join(), 0);
  std::set<std::string> result;
  for (std::uint64_t i = 0; i < page->count; ++i) result.insert(page->names.at(i).data());
  return result;
}

void expect_as_before(const Arena& arena, std::uint64_t blocks, const std::string& what) {
  arena.recover();
  const ArenaReport report = arena.check();
  EXPECT_TRUE(report.clean()) << what << ": " << (report.clean() ? "" : report.errors.front());
  EXPECT_EQ(arena.stats().blocks, blocks) << what;
}

class QueueDeath : public ::testing::Test {
 protected:
  void SetUp() override {
#if !POLYPROC_FAIL_POINTS
    GTEST_SKIP() << "no fail points in this build";
#endif
    {
      Queue<int> warm(arena_);
      warm.put(1);
      (void)warm.get();
    }
    blocks_ = arena_.stats().blocks;
  }

  // The first recovery gives this process room for more references, which it keeps.
  void settle() {
    arena_.recover();
    blocks_ = arena_.stats().blocks;
  }

  // The producer is killed; what it put is there, and nothing else.
  void kill_producer(const std::string& point, std::uint32_t countdown) {
    const std::string what = point + " " + std::to_string(countdown);
    Queue<std::string> queue(arena_);
    SharedPage<std::atomic<std::uint64_t>> put;
    ForkedChild producer([&] {
      os::arm_fail_point(point, countdown);
      for (std::uint64_t i = 0; i < kItems; ++i) {
        queue.put(item(i));
        ++*put;
      }
    });
    const int code = producer.join();
    ASSERT_TRUE(code == 0 || code == -SIGKILL) << what << " ended with " << code;
    const auto start = std::chrono::steady_clock::now();
    queue.put(item(1000));
    std::uint64_t next = 0;
    for (std::uint64_t got = number_of(queue.get()); got != 1000; got = number_of(queue.get()), ++next)
      ASSERT_EQ(got, next) << what;
    EXPECT_LT(testing::seconds_since(start), 1.0) << what;
    EXPECT_GE(next, put->load()) << what;
    EXPECT_LE(next, put->load() + 1) << what;
    EXPECT_TRUE(queue.empty()) << what;
  }

  void kill_consumer(const std::string& point, std::uint32_t countdown) {
    const std::string what = point + " " + std::to_string(countdown);
    Queue<std::string> queue(arena_);
    for (std::uint64_t i = 0; i < kItems; ++i) queue.put(item(i));
    SharedPage<std::atomic<std::uint64_t>> got;
    ForkedChild consumer([&] {
      os::arm_fail_point(point, countdown);
      for (std::uint64_t i = 0; i < kItems; ++i) {
        if (number_of(queue.get()) != i) ::_exit(3);
        ++*got;
      }
    });
    const int code = consumer.join();
    ASSERT_TRUE(code == 0 || code == -SIGKILL) << what << " ended with " << code;
    const auto start = std::chrono::steady_clock::now();
    std::uint64_t left = 0;
    std::uint64_t first = kItems;
    while (const auto text = queue.try_get()) {
      const std::uint64_t number = number_of(*text);
      if (left++ == 0) first = number;
      ASSERT_EQ(number, first + left - 1) << what;
    }
    EXPECT_LT(testing::seconds_since(start), 1.0) << what;
    EXPECT_EQ(first + left, kItems) << what;
    EXPECT_GE(first, got->load()) << what;
    EXPECT_LE(first, got->load() + 1) << what;
    queue.put(item(7));
    EXPECT_EQ(number_of(queue.get()), 7u) << what;
  }

  Arena arena_ = Arena::anonymous({.limit = 256 << 20, .reserve = 0});
  std::uint64_t blocks_ = 0;
};

TEST_F(QueueDeath, OfAProducerAtEachStep) {
  const auto points = passed_by([&] {
    Queue<std::string> queue(arena_);
    for (std::uint64_t i = 0; i < kItems; ++i) queue.put(item(i));
  });
  settle();
  for (const char* must :
       {"queue.put.before_commit", "queue.put.committed", "queue.put.copied", "queue.put.ring_made",
        "queue.put.ring_linked", "queue.put.message_copied", "queue.put.message_named",
        "biased_mutex.announced", "biased_mutex.granted", "biased_mutex.biased"}) {
    EXPECT_TRUE(points.contains(must)) << must;
  }
  for (const auto& point : points) {
    for (const std::uint32_t countdown : kCountdowns) {
      kill_producer(point, countdown);
      if (HasFatalFailure()) return;
      expect_as_before(arena_, blocks_, point + " " + std::to_string(countdown));
      if (HasFailure()) return;
    }
  }
}

TEST_F(QueueDeath, OfAConsumerAtEachStep) {
  const auto points = passed_by([&] {
    Queue<std::string> queue(arena_);
    for (std::uint64_t i = 0; i < kItems; ++i) queue.put(item(i));
    for (std::uint64_t i = 0; i < kItems; ++i) (void)queue.get();
  });
  settle();
  for (const char* must : {"queue.get.copied", "queue.get.before_commit", "queue.get.committed"})
    EXPECT_TRUE(points.contains(must)) << must;
  for (const auto& point : points) {
    for (const std::uint32_t countdown : kCountdowns) {
      kill_consumer(point, countdown);
      if (HasFatalFailure()) return;
      expect_as_before(arena_, blocks_, point + " " + std::to_string(countdown));
      if (HasFailure()) return;
    }
  }
}

// The memory of a queue that is being made may be an old object's, in which a queue would seem to be ready.
TEST_F(QueueDeath, OfItsMakerBeforeItIsAQueue) {
  const BlockRef bystander = BlockRef::create(arena_, BlockKind::bytes, {}, 100);
  const auto make_one = [&] {
    {
      const BlockRef old = BlockRef::create(arena_, BlockKind::bytes, {}, sizeof(QueueState));
      auto& state = *reinterpret_cast<QueueState*>(old.data());
      state.life = static_cast<std::uint64_t>(QueueLife::ready);
      for (QueueEnd* end : {&state.put, &state.get})
        for (Cursor& cursor : end->cursors) cursor.ring = bystander.handle().offset;
    }
    const Queue<int> queue(arena_);
  };
  settle();
  for (const auto& point : passed_by(make_one)) {
    for (const std::uint32_t countdown : kCountdowns) {
      ForkedChild maker([&] {
        os::arm_fail_point(point, countdown);
        make_one();
      });
      const int code = maker.join();
      ASSERT_TRUE(code == 0 || code == -SIGKILL) << point << " ended with " << code;
      expect_as_before(arena_, blocks_, point + " " + std::to_string(countdown));
      if (HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace polyproc
