// SPDX-License-Identifier: MIT
// The arena's memory: bounded, refused by exception, given back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "arena/support.hpp"
#include "os/memory.hpp"
#include "support/forked_child.hpp"
#include "support/kill.hpp"

namespace polyproc {
namespace {

using namespace testing;
using ::testing::HasSubstr;

class ArenaMemory : public ::testing::Test {
 protected:
  void TearDown() override { expect_clean(arena_); }
  Arena arena_ = Arena::anonymous({.limit = 32 * kMiB});
};

TEST_F(ArenaMemory, BeyondTheLimitIsRefusedAndTheArenaWorksOn) {
  const BlockRef kept = make_bytes(arena_, 100);
  try {
    (void)make_bytes(arena_, 33 * kMiB);
    FAIL() << "no exception";
  } catch (const ArenaFull& error) {
    EXPECT_THAT(error.what(), HasSubstr("higher limit"));
  }
  expect_clean(arena_);
  fill(make_bytes(arena_, 20 * kMiB), 1);
}

TEST_F(ArenaMemory, FilledWithSmallBlocksIsRefusedAndFreedAgain) {
  const auto before = arena_.stats();
  auto all = fill_up(arena_, 1000);
  EXPECT_GT(all.size() * 1000, 20 * kMiB);
  EXPECT_LE(arena_.stats().used + arena_.stats().warm,
            33 * kMiB);  // tables of references are beyond the limit
  expect_clean(arena_);
  all.clear();
  (void)arena_.recover();
  EXPECT_LT(arena_.stats().used, before.used + 2 * kMiB);
  EXPECT_LT(memory_behind(arena_), 4 * kMiB);
}

TEST_F(ArenaMemory, OfOneSizeCanBeUsedForAnother) {
  for (const std::uint64_t size : {200u, 2000u, 20'000u, 2'000'000u, 500u}) {
    const auto all = fill_up(arena_, size);
    EXPECT_GT(all.size() * size, 12 * kMiB) << size;
  }
}

// A short while after it: memory that is taken again and again is kept.
TEST_F(ArenaMemory, IsGivenBackAfterABurstWithoutBeingAsked) {
  const auto goes_on = [&] {
    (void)make_bytes(arena_, 100);
    return memory_behind(arena_) < 4 * kMiB;
  };
  { const BlockRef large = make_bytes(arena_, 24 * kMiB); }
  EXPECT_TRUE(testing::wait_until(goes_on));
  { const auto many = fill_up(arena_, 100'000); }
  EXPECT_TRUE(testing::wait_until(goes_on));
}

TEST_F(ArenaMemory, IsKeptWhileItIsTakenAgainAndAgain) {
  (void)make_bytes(arena_, 8 * kMiB);
  EXPECT_GT(arena_.stats().warm, 7 * kMiB);
  const auto before = arena_.stats();
  for (int i = 0; i < 10; ++i) (void)make_bytes(arena_, 8 * kMiB);
  EXPECT_EQ(arena_.stats().warm, before.warm);
}

TEST_F(ArenaMemory, AbsurdSizesAreRefused) {
  for (const std::uint64_t size : {std::uint64_t{1} << 40, std::uint64_t{1} << 47, std::uint64_t{1} << 63,
                                   ~std::uint64_t{0} - 200, ~std::uint64_t{0} - 127, ~std::uint64_t{0}}) {
    EXPECT_THROW((void)make_bytes(arena_, size), ArenaFull) << size;
  }
}

TEST_F(ArenaMemory, MoreThanTheMachineHasIsRefused) {
  const Arena wide = Arena::anonymous({.limit = std::uint64_t{1} << 50});
  try {
    (void)make_bytes(wide, os::available_memory() + 64 * kMiB);
    FAIL() << "no exception";
  } catch (const ArenaFull& error) {
    EXPECT_THAT(error.what(), HasSubstr("available"));
  }
  expect_clean(wide);
  fill(make_bytes(wide, 100), 1);
}

TEST_F(ArenaMemory, BeyondTheReserveIsRefused) {
  const Arena narrow = Arena::anonymous({.limit = kMiB * kKiB, .reserve = 8 * kMiB});
  EXPECT_THROW((void)make_bytes(narrow, 9 * kMiB), ArenaFull);
  const auto all = fill_up(narrow, 3000);
  EXPECT_GT(all.size() * 3000, 5 * kMiB);
  expect_clean(narrow);
}

TEST_F(ArenaMemory, ReserveMustBeReasonable) {
  EXPECT_THROW((void)Arena::anonymous({.reserve = kMiB}), InvalidArgument);
  EXPECT_THROW((void)Arena::anonymous({.reserve = std::uint64_t{1} << 45}), InvalidArgument);
  EXPECT_NO_THROW((void)Arena::anonymous({.reserve = 4 * kMiB + 1}));
}

TEST_F(ArenaMemory, OfAnUnusedArenaIsLittle) { EXPECT_LT(memory_behind(arena_), 128 * kKiB); }

TEST_F(ArenaMemory, IsNotHeldByARefusedAllocation) {
  const auto all = fill_up(arena_, kMiB);
  const std::uint64_t before = memory_behind(arena_);
  for (int i = 0; i < 20; ++i) EXPECT_THROW((void)make_bytes(arena_, 2 * kMiB), ArenaFull);
  EXPECT_LE(memory_behind(arena_), before + 64 * kKiB);
}

TEST_F(ArenaMemory, GivenBackByAProcessKilledAtAnyStepIsCountedAsItIs) {
  POLYPROC_NEEDS_FAIL_POINTS();
  const auto take_and_give_back = [&] {
    fill(make_bytes(arena_, 4 * kMiB, false), 7);
    (void)arena_.recover();
  };
  for (const char* point : {"page_heap.before_punch", "page_heap.punched", "transaction.before_commit",
                            "transaction.committed"}) {
    for (std::uint32_t countdown = 1;; ++countdown) {
      const bool killed = killed_at(point, take_and_give_back, countdown);
      // What is counted as memory must be there: on a full mount the next touch would end the process.
      EXPECT_GE(memory_behind(arena_), arena_.stats().warm) << point << " " << countdown;
      EXPECT_TRUE(is_zero(make_bytes(arena_, 4 * kMiB))) << point << " " << countdown;
      (void)arena_.recover();
      expect_clean(arena_);
      if (!killed || HasFailure()) break;
    }
  }
}

TEST_F(ArenaMemory, FamilyIsConfiguredBeforeItsFirstUseOnly) {
  const Arena family = Arena::family();
  EXPECT_EQ(family, Arena::family());
  EXPECT_THROW(Arena::configure_family({.limit = kMiB}), UsageError);
}

TEST_F(ArenaMemory, HandleToAnArenaWorksOnAfterAMove) {
  Arena from = arena_;
  const Arena to = std::move(from);
  EXPECT_EQ(to, arena_);
  EXPECT_EQ(from.id(), arena_.id());  // NOLINT(bugprone-use-after-move): a moved-from handle is still one
}

}  // namespace
}  // namespace polyproc
