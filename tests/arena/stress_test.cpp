// SPDX-License-Identifier: MIT
// Allocations and frees of mixed sizes by processes that are killed and replaced at random.
#include <gtest/gtest.h>

#include <random>

#include "arena/support.hpp"
#include "os/sanitizer.hpp"
#include "support/forked_child.hpp"

namespace polyproc {
namespace {

using namespace testing;

#if defined(POLYPROC_ADDRESS_SANITIZER) || defined(POLYPROC_THREAD_SANITIZER)
constexpr std::uint64_t kOperations = 60'000;
#else
constexpr std::uint64_t kOperations = 1'000'000;  // allocations and as many frees
#endif
constexpr std::uint64_t kOperationsPerKill = 1'000;
constexpr std::size_t kWorkers = 4;
constexpr std::size_t kHeld = 64;  // blocks at a time and worker
constexpr std::uint64_t kLargest = 300'000;

struct Progress {
  std::atomic<std::uint64_t> operations;
  std::atomic<std::uint64_t> wrong;
};

std::uint64_t some_size(std::mt19937& random) {
  const auto kind = random() % 100;
  if (kind < 70) return random() % 600;
  if (kind < 95) return random() % 5'000;
  return random() % kLargest;
}

// Each block carries its owner's mark at both ends: a block that is given out twice is seen.
void mark(const BlockRef& block, std::uint32_t by) {
  if (block.size() < 8) return;
  std::memcpy(block.data(), &by, 4);
  std::memcpy(block.data() + block.size() - 4, &by, 4);
}
bool is_marked(const BlockRef& block, std::uint32_t by) {
  return block.size() < 8 || (std::memcmp(block.data(), &by, 4) == 0 &&
                              std::memcmp(block.data() + block.size() - 4, &by, 4) == 0);
}

void work(const Arena& arena, Progress& progress, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<BlockRef> held(kHeld);
  for (;;) {
    BlockRef& block = held[random() % kHeld];
    if (block && !is_marked(block, seed)) ++progress.wrong;
    block = BlockRef();
    block = make_bytes(arena, some_size(random), false);
    mark(block, seed);
    ++progress.operations;
  }
}

TEST(StressArena, OfMixedSizesUnderKills) {
  const Arena arena = Arena::anonymous({.limit = 96 * kMiB});
  warm_up(arena);
  const std::uint64_t blocks = arena.stats().blocks;
  SharedPage<Progress> progress;
  std::mt19937 random(1);  // NOLINT(cert-msc51-cpp): the same kills each time
  std::uint32_t seed = 1;
  const auto start_worker = [&] {
    ++seed;
    return ForkedChild([&] { work(arena, *progress, seed); }, 280);
  };
  std::uint64_t most = 0;
  std::uint64_t kills = 0;
  {
    std::vector<ForkedChild> workers;
    for (std::size_t i = 0; i < kWorkers; ++i) workers.push_back(start_worker());
    for (std::uint64_t next = 0; next < kOperations; next += random() % (2 * kOperationsPerKill)) {
      ASSERT_TRUE(wait_until([&] { return progress->operations >= next; }))
          << "stuck after " << kills << " kills";
      ForkedChild& victim = workers[random() % kWorkers];
      victim.kill(SIGKILL);
      ASSERT_EQ(victim.join(), -SIGKILL);
      ++kills;
      const ArenaReport report = arena.check();
      ASSERT_TRUE(report.clean()) << "kill " << kills << ": " << report.errors.front();
      most = std::max(most, memory_behind(arena));
      victim = start_worker();
    }
  }
  EXPECT_EQ(progress->wrong, 0u);
  EXPECT_GE(progress->operations, kOperations);
  EXPECT_LT(most, 64 * kMiB);
  (void)arena.recover();
  expect_clean(arena);
  EXPECT_EQ(arena.stats().blocks, blocks);
  EXPECT_EQ(arena.stats().processes, 1u);
  EXPECT_LT(memory_behind(arena), 2 * kMiB);
  RecordProperty("kills", static_cast<int>(kills));
}

}  // namespace
}  // namespace polyproc
