// SPDX-License-Identifier: MIT
// Slots of processes: any number of them, used again, and never taken for their predecessor.
#include <gtest/gtest.h>

#include <set>

#include "arena/support.hpp"
#include "support/kill.hpp"

namespace polyproc {
namespace {

using namespace testing;

std::uint64_t slot_of(std::uint64_t identity) { return (identity & 0x7fffffff) - 1; }

class ProcessSlots : public ::testing::Test {
 protected:
  void TearDown() override {
    (void)arena_.recover();
    expect_clean(arena_);
    EXPECT_EQ(arena_.stats().processes, 1u);
  }
  Arena arena_ = Arena::anonymous({.limit = 64 * kMiB});
};

TEST_F(ProcessSlots, BeyondTheFirstTablesAreAllDifferentAndAlive) {
  constexpr std::size_t kProcesses = 60;  // tables hold 8, 16, 32 ...
  SharedPage<std::array<std::atomic<std::uint64_t>, kProcesses>> identities;
  {
    std::vector<ForkedChild> children;
    for (std::size_t i = 0; i < kProcesses; ++i) {
      children.emplace_back([&, i] {
        fill(make_bytes(arena_, 100), 1);
        (*identities)[i] = arena_.core().identity();
        for (;;) ::pause();
      });
    }
    std::set<std::uint64_t> slots{slot_of(arena_.core().identity())};
    for (auto& each : *identities) {
      ASSERT_TRUE(wait_until([&] { return each.load() != 0; }));
      EXPECT_TRUE(slots.insert(slot_of(each)).second);
      EXPECT_TRUE(arena_.core().alive(each));
    }
    EXPECT_GE(*slots.rbegin(), kProcesses);
    EXPECT_EQ(arena_.recover(), 0u);
    EXPECT_EQ(arena_.stats().processes, kProcesses + 1);
    expect_clean(arena_);
  }
  for (auto& each : *identities) EXPECT_FALSE(arena_.core().alive(each));
  EXPECT_EQ(arena_.recover(), kProcesses);
}

TEST_F(ProcessSlots, AreUsedAgainUnderANewIdentity) {
  SharedPage<std::atomic<std::uint64_t>> identity;
  std::set<std::uint64_t> seen;
  std::set<std::uint64_t> slots;
  for (int i = 0; i < 50; ++i) {
    ForkedChild child([&] { *identity = arena_.core().identity(); });
    EXPECT_EQ(child.join(), 0);
    EXPECT_TRUE(seen.insert(*identity).second);
    slots.insert(slot_of(*identity));
    EXPECT_FALSE(arena_.core().alive(*identity));
  }
  EXPECT_LE(slots.size(), 8u);  // without anybody calling recover
}

TEST_F(ProcessSlots, OfAChildKilledBeforeItRanAreReturned) {
  POLYPROC_NEEDS_FAIL_POINTS();
  const BlockRef block = make_bytes(arena_, 10);
  const auto blocks = arena_.stats().blocks;
  EXPECT_TRUE(killed_at("process_slots.child_prepared", [&] { ForkedChild never([] {}); }));
  EXPECT_GE(arena_.recover(), 1u);  // the child, and what it had prepared
  EXPECT_LE(arena_.stats().blocks, blocks + 1);
  EXPECT_EQ(open_bytes(block.handle()), block);
}

TEST_F(ProcessSlots, OfNobodyAreDead) {
  EXPECT_FALSE(arena_.core().alive(std::uint64_t{1} << 32 | 100));
  EXPECT_FALSE(arena_.core().alive(std::uint64_t{1} << 32 | 0x7ffffffe));
  EXPECT_FALSE(arena_.core().alive(std::uint64_t{99} << 32 | 1));
  EXPECT_TRUE(arena_.core().alive(arena_.core().identity()));
  EXPECT_FALSE(arena_.core().alive(arena_.core().identity() + (std::uint64_t{1} << 32)));
}

TEST_F(ProcessSlots, DescribeTheirProcess) {
  const ProcessSlot& slot = arena_.core().process_slot(slot_of(arena_.core().identity()));
  EXPECT_EQ(slot.pid.load(), static_cast<std::uint32_t>(::getpid()));
  EXPECT_EQ(slot.state.load(), SlotState::live);
}

TEST_F(ProcessSlots, AZombieIsDead) {
  SharedPage<std::atomic<std::uint64_t>> identity;
  ForkedChild child([&] { *identity = arena_.core().identity(); });
  ASSERT_TRUE(wait_until([&] { return child.ended(); }));
  EXPECT_FALSE(arena_.core().alive(*identity));
  EXPECT_EQ(arena_.recover(), 1u);
}

TEST_F(ProcessSlots, AStoppedProcessIsAlive) {
  SharedPage<std::atomic<std::uint64_t>> identity;
  ForkedChild child([&] {
    *identity = arena_.core().identity();
    for (;;) ::pause();
  });
  ASSERT_TRUE(wait_until([&] { return identity->load() != 0; }));
  child.kill(SIGSTOP);
  ASSERT_TRUE(wait_until([&] { return process_state(child.pid()) == 'T'; }));
  EXPECT_TRUE(arena_.core().alive(*identity));
  EXPECT_EQ(arena_.recover(), 0u);
}

}  // namespace
}  // namespace polyproc
