// SPDX-License-Identifier: MIT
// Bursts: memory comes back after many items, and a message may be very large.
#include <gtest/gtest.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/channel/queue.hpp>
#include <polyproc/os/error.hpp>

#include <cstdint>
#include <string>

namespace polyproc {
namespace {

TEST(StressQueueMemory, AQueueThatHeldTenMillionItemsKeepsAtMost4MiB) {
  const Arena arena = Arena::anonymous();
  Queue<std::uint64_t> queue(arena);
  constexpr std::uint64_t kItems = 10'000'000;
  try {
    for (std::uint64_t i = 0; i < kItems; ++i) queue.put(i);
  } catch (const ArenaFull& error) {
    GTEST_SKIP() << error.what();
  }
  EXPECT_EQ(queue.qsize(), kItems);
  for (std::uint64_t i = 0; i < kItems; ++i) ASSERT_EQ(queue.get(), i);
  const ArenaStats stats = arena.stats();
  EXPECT_LE(stats.used + stats.warm, std::uint64_t{4} << 20);
}

TEST(LargeQueue, CarriesAMessageOf1GiB) {
  const Arena arena = Arena::anonymous();
  Queue<std::string> queue(arena);
  try {
    std::string text(std::size_t{1} << 30, 'x');
    text.back() = 'y';
    queue.put(text);
    EXPECT_TRUE(queue.get() == text);
  } catch (const ArenaFull& error) {
    GTEST_SKIP() << error.what();
  } catch (const std::bad_alloc&) {
    GTEST_SKIP() << "not enough memory";
  }
  arena.recover();
  EXPECT_LE(arena.stats().used + arena.stats().warm, std::uint64_t{4} << 20);
}

}  // namespace
}  // namespace polyproc
