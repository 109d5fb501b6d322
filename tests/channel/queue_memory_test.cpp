// SPDX-License-Identifier: MIT
// What a queue costs, and that it gives all of it back.
#include <gtest/gtest.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/channel/queue.hpp>

#include <cstdint>
#include <string>
#include <vector>

#include "support/forked_child.hpp"

namespace polyproc {
namespace {

using testing::ForkedChild;

std::string first_error(const Arena& arena) {
  const ArenaReport report = arena.check();
  return report.clean() ? "" : report.errors.front();
}

// Tables for references, threads and processes grow once and stay.
void warm_up(const Arena& arena) {
  Queue<std::string> queue(arena);
  for (int i = 0; i < 20; ++i) queue.put(std::string(i % 2 == 0 ? 10 : 200000, 'w'));
  for (int i = 0; i < 20; ++i) (void)queue.get();
}

TEST(QueueMemory, AnEmptyQueueTakesAtMost64KiB) {
  const Arena arena = Arena::anonymous();
  warm_up(arena);
  const std::uint64_t before = arena.stats().used;
  const Queue<int> queue(arena);
  EXPECT_LE(arena.stats().used - before, std::uint64_t{64} << 10);
}

TEST(QueueMemory, AQueueDroppedWithItemsInsideFreesThemAll) {
  const Arena arena = Arena::anonymous();
  warm_up(arena);
  const ArenaStats before = arena.stats();
  {
    Queue<std::string> queue(arena);
    for (int i = 0; i < 60; ++i) queue.put(std::string(i % 3 == 0 ? 200000 : 1000, 'x'));
    (void)queue.get();
    EXPECT_GT(arena.stats().blocks, before.blocks + 10);
  }
  EXPECT_EQ(arena.stats().blocks, before.blocks);
  EXPECT_EQ(arena.stats().used, before.used);
  EXPECT_EQ(first_error(arena), "");
}

TEST(QueueMemory, AQueueWhoseOnlyProcessIsGoneIsFreedByRecovery) {
  const Arena arena = Arena::anonymous();
  warm_up(arena);
  arena.recover();
  const ArenaStats before = arena.stats();
  ForkedChild child([&] {
    Queue<std::string> queue(arena);
    for (int i = 0; i < 60; ++i) queue.put(std::string(i % 3 == 0 ? 200000 : 1000, 'x'));
    ::_exit(0);
  });
  EXPECT_EQ(child.join(), 0);
  arena.recover();
  EXPECT_EQ(first_error(arena), "");
  EXPECT_LE(arena.stats().blocks, before.blocks + 1) << "at most one table more";
}

}  // namespace
}  // namespace polyproc
