// SPDX-License-Identifier: MIT
// How far ahead lazy ranges are taken, and that no more memory is used than that takes.
#include <polyproc/pool/pool.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <ranges>
#include <vector>

#include <polyproc/sync/event.hpp>

#include "support/allocated.hpp"
#include "support/start_methods.hpp"

namespace polyproc::testing {
namespace {

int low_bit(int x) { return x & 1; }

// Of `tasks` the most elements that were taken from the range and had no result taken.
int most_ahead(Pool& pool, int tasks, const ImapOptions& options) {
  int taken = 0;
  auto counted = std::views::iota(0, tasks) | std::views::transform([&](int i) {
                   ++taken;
                   return i;
                 });
  std::int64_t sum = 0;
  int at = 0;
  int most = 0;
  for (const int each : pool.imap(low_bit, counted, options)) {
    most = std::max(most, taken - at);
    ++at;
    sum += each;
  }
  EXPECT_EQ(sum, tasks / 2);
  return most;
}

TEST(PoolMemory, AMillionTasksAreTakenAsTheyAreNeeded) {
  Pool pool(2);
  EXPECT_LE(most_ahead(pool, 1'000'000, {.chunk_size = 20, .look_ahead = 2000}), 2000);
  // Two workers, however quick they are: each has 4096 tasks at most, and as many are there for it when it has done them.
  EXPECT_LE(most_ahead(pool, 200'000, {}), 2 * 2 * 4096);
}

// In release, where freed memory is not kept for checks. What is ahead, and its queues, take less than this; a task that were kept,
// or made too early, takes some 50 bytes, all of them half a gibibyte.
constexpr int kTenMillion = 10'000'000;
constexpr std::size_t kMostKib = 64 * 1024;

class Watch {
 public:
  // Sees peaks of some thousand tasks.
  void look(int at) {
    if (at % 4096 == 0) most_ = std::max(most_, resident_kib());
  }
  [[nodiscard]] std::size_t grown() const { return most_ - std::min(before_, most_); }

 private:
  std::size_t before_ = resident_kib();
  std::size_t most_ = before_;
};

TEST(LargePool, TenMillionTasksRunInConstantMemory) {
  Pool pool(2);
  Watch memory;
  std::int64_t sum = 0;
  int at = 0;
  for (const int each : pool.imap(low_bit, std::views::iota(0, kTenMillion))) {
    memory.look(at++);
    sum += each;
  }
  EXPECT_EQ(sum, kTenMillion / 2);
  EXPECT_LT(memory.grown(), kMostKib);
}

TEST(LargePool, TenMillionTasksThatPassOneThatHangsRunInConstantMemory) {
  Pool pool(2);
  const Event gate;
  const auto wait_or_not = [](const std::optional<Event>& its) {
    if (its) its->wait();
    return its.has_value();
  };
  Watch memory;
  auto results =
      pool.imap_unordered(wait_or_not, std::views::iota(0, kTenMillion) | std::views::transform([&](int i) {
                                         return i == 0 ? std::optional(gate) : std::nullopt;
                                       }));
  for (int at = 1; at < kTenMillion; ++at) {
    ASSERT_EQ(results.next_for(kLong), false);
    memory.look(at);
  }
  EXPECT_LT(memory.grown(), kMostKib);
  Event(gate).set();
  EXPECT_EQ(results.next(), true);
  EXPECT_EQ(results.next(), std::nullopt);
}

// From the last on: each looked through all before it. A million would take minutes.
TEST(LargePool, AMillionCallsAreCancelledOneByOne) {
  constexpr int kTasks = 1'000'000;
  Pool pool(1);
  const Event gate;
  const auto first = pool.submit([](const Event& its) { its.wait(); }, gate);
  std::vector<Future<int>> futures;
  futures.reserve(kTasks);
  for (int i = 0; i < kTasks; ++i) futures.push_back(pool.submit(low_bit, i));
  const auto begin = std::chrono::steady_clock::now();
  for (std::size_t i = kTasks; i > 0; --i) ASSERT_TRUE(futures[i - 1].cancel());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, kLong);
  Event(gate).set();
  first.get();
}

}  // namespace
}  // namespace polyproc::testing
