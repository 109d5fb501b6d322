// SPDX-License-Identifier: MIT
// What a killed process held comes back: references, references on their way, tables; also when the one that brings it
// back is killed.
#include <gtest/gtest.h>

#include "arena/support.hpp"
#include "arena/transaction.hpp"
#include "support/kill.hpp"

namespace polyproc {
namespace {

using namespace testing;

class Recovery : public ::testing::Test {
 protected:
  void SetUp() override {
    warm_up(arena_);
    blocks_ = arena_.stats().blocks;
  }
  // All that the dead held is back, and the arena works.
  void expect_recovered(std::uint64_t blocks) {
    (void)arena_.recover();
    expect_clean(arena_);
    EXPECT_EQ(arena_.stats().blocks, blocks);
    EXPECT_EQ(arena_.stats().processes, 1u);
    EXPECT_EQ(arena_.recover(), 0u);
  }

  Arena arena_ = Arena::anonymous({.limit = 64 * kMiB});
  std::uint64_t blocks_ = 0;
};

TEST_F(Recovery, OfManyReferences) {
  ForkedChild child([&] {
    std::vector<BlockRef> own;
    for (std::uint64_t i = 0; i < 500; ++i) own.push_back(make_bytes(arena_, i * 13));
    ::raise(SIGKILL);
  });
  child.join();
  expect_recovered(blocks_);
}

TEST_F(Recovery, ByAnAllocationThatFindsTheArenaFull) {
  ForkedChild child([&] {
    const auto all = fill_up(arena_, 100'000);
    ::raise(SIGKILL);
  });
  child.join();
  fill(make_bytes(arena_, 60 * kMiB), 1);
  expect_recovered(blocks_);
}

TEST_F(Recovery, OfAProcessThatEndsWithoutGoodbye) {
  ForkedChild child([&] {
    new BlockRef(make_bytes(arena_, 100));
    ::_exit(0);
  });
  child.join();
  expect_recovered(blocks_);
}

TEST_F(Recovery, ThatDiesItselfIsTakenUpByTheNext) {
  POLYPROC_NEEDS_FAIL_POINTS();
  for (const char* point :
       {"recovery.reference_taken", "recovery.slot_emptied", "references.contents_released"}) {
    ForkedChild victim([&] {
      std::vector<BlockRef> own;
      for (std::uint64_t i = 0; i < 50; ++i) own.push_back(make_bytes(arena_, i * 100));
      ::raise(SIGKILL);
    });
    victim.join();
    EXPECT_TRUE(killed_at(point, [&] { (void)arena_.recover(); })) << point;
    expect_recovered(blocks_);
  }
}

TEST_F(Recovery, ByManyAtOnceCountsNothingTwice) {
  const BlockRef shared = make_bytes(arena_, 100);
  for (int round = 0; round < 5; ++round) {
    std::vector<ForkedChild> victims;
    for (int i = 0; i < 3; ++i) {
      victims.emplace_back([&] {
        std::vector<BlockRef> own;
        for (std::uint64_t j = 0; j < 40; ++j) own.push_back(make_bytes(arena_, j * 50));
        ::raise(SIGKILL);
      });
    }
    for (auto& victim : victims) victim.join();
    std::vector<ForkedChild> survivors;
    for (int i = 0; i < 3; ++i) survivors.emplace_back([&] { (void)arena_.recover(); });
    for (auto& survivor : survivors) EXPECT_EQ(survivor.join(), 0);
    expect_recovered(blocks_ + 1);
  }
  EXPECT_EQ(open_bytes(shared.handle()), shared);
}

TEST_F(Recovery, OfDeathsDuringDestructionCostsTheSurvivorNothing) {
  POLYPROC_NEEDS_FAIL_POINTS();
  for (int i = 0; i < 60; ++i) {
    EXPECT_TRUE(killed_at("references.contents_released", [&] { (void)make_bytes(arena_, 100); }));
    (void)arena_.recover();
  }
  expect_recovered(blocks_);
}

TEST_F(Recovery, ThatFailsCanBeRepeated) {
  const Arena narrow = Arena::anonymous({.limit = kMiB * kKiB, .reserve = 4 * kMiB});
  SharedPage<std::atomic<bool>> holds;
  ForkedChild victim([&] {
    const BlockRef held = make_bytes(narrow, 100);
    *holds = true;
    for (;;) ::pause();
  });
  ASSERT_TRUE(wait_until([&] { return holds->load(); }));
  const auto own = fill_up(narrow, 10'000);
  // No place for the reference that is to be taken over, and no room for another table of such places.
  Entry* last = nullptr;
  EXPECT_THROW(for (;;) last = narrow.core().claim_entry(), ArenaFull);
  victim.kill(SIGKILL);
  victim.join();
  EXPECT_THROW((void)narrow.recover(), ArenaFull);
  ASSERT_NE(last, nullptr);
  narrow.core().return_entry(last);
  EXPECT_EQ(narrow.recover(), 1u);
  EXPECT_EQ(narrow.stats().processes, 1u);
  expect_clean(narrow);
}

// ---- references on their way through a record that a counter publishes

class InFlight : public Recovery {
 protected:
  struct Channel {
    std::atomic<std::uint64_t> commit;
    std::atomic<std::uint64_t> block;
  };
  Channel& channel() { return *reinterpret_cast<Channel*>(channel_.data()); }

  // A message, sent by a child that dies at `step` of: 0 held, 1 marked, 2 published, 3 forgotten.
  void send_and_die_at(int step) {
    ForkedChild child([&] {
      ArenaCore& core = arena_.core();
      Entry* entry = core.claim_entry();
      const std::uint64_t block = core.create_in(entry, BlockKind::bytes, {}, 100, true);
      if (step == 0) ::raise(SIGKILL);
      core.will_send(entry, channel().commit, 0);
      if (step == 1) ::raise(SIGKILL);
      channel().block = block;
      channel().commit = 1;
      if (step == 2) ::raise(SIGKILL);
      core.sent(entry);
      ::raise(SIGKILL);
    });
    EXPECT_EQ(child.join(), -SIGKILL);
  }

  // The message is received by a child that dies at `step` of: 1 marked, 2 taken, 3 held, 4 released.
  void receive_and_die_at(int step) {
    ForkedChild child([&] {
      ArenaCore& core = arena_.core();
      Entry* entry = core.claim_entry();
      core.will_receive(entry, channel().block, channel().commit, 1);
      if (step == 1) ::raise(SIGKILL);
      channel().commit = 2;
      if (step == 2) ::raise(SIGKILL);
      core.received(entry);
      if (step == 3) ::raise(SIGKILL);
      core.release_entry(entry);
      ::raise(SIGKILL);
    });
    EXPECT_EQ(child.join(), -SIGKILL);
  }

  BlockRef channel_ = make_bytes(arena_, sizeof(Channel));
};

TEST_F(InFlight, NotPublishedDiesWithItsSender) {
  for (const int step : {0, 1}) {
    send_and_die_at(step);
    expect_recovered(blocks_);
  }
}

TEST_F(InFlight, PublishedLivesOnAfterItsSender) {
  for (const int step : {2, 3}) {
    channel().commit = 0;
    send_and_die_at(step);
    expect_recovered(blocks_ + 1);
    receive_and_die_at(4);
    expect_recovered(blocks_);
  }
}

TEST_F(InFlight, NotTakenStaysWhenItsReceiverDies) {
  send_and_die_at(3);
  receive_and_die_at(1);
  expect_recovered(blocks_ + 1);
  receive_and_die_at(4);
  expect_recovered(blocks_);
}

TEST_F(InFlight, TakenDiesWithItsReceiver) {
  for (const int step : {2, 3}) {
    channel().commit = 0;
    send_and_die_at(3);
    receive_and_die_at(step);
    expect_recovered(blocks_);
  }
}

TEST_F(InFlight, IsSettledBeforeAnotherPublishes) {
  send_and_die_at(1);
  arena_.core().settle_dead();
  channel().commit = 5;  // by whoever goes on
  expect_recovered(blocks_);
  channel().commit = 0;
  send_and_die_at(2);
  arena_.core().settle_dead();
  arena_.core().settle_dead();
  expect_recovered(blocks_ + 1);
  receive_and_die_at(4);
  expect_recovered(blocks_);
}

// ---- memory that a killed process had just got

class FreshMemory : public Recovery {
 protected:
  // Everything that can be had must read as zero.
  void expect_zeroed() {
    for (const std::uint64_t size : {3 * kMiB, 700 * kKiB, 400 * kKiB, 230 * kKiB, 110 * kKiB, 60 * kKiB}) {
      const auto all = [&] {
        std::vector<BlockRef> some;
        for (std::uint64_t bytes = 0; bytes < 6 * kMiB; bytes += size)
          some.push_back(make_bytes(arena_, size));
        return some;
      }();
      for (const BlockRef& block : all) EXPECT_TRUE(is_zero(block)) << size;
      (void)arena_.recover();
    }
  }
};

TEST_F(FreshMemory, IsZeroAfterADeathBeforeTheCommit) {
  POLYPROC_NEEDS_FAIL_POINTS();
  // The block that is not made lies behind one that is freed later: the two are one free run then.
  for (const std::uint64_t size : {50 * kKiB, 200 * kKiB}) {
    for (const std::uint32_t nth : {1u, 2u, 3u}) {
      BlockRef left = make_bytes(arena_, size);
      (void)arena_.recover();
      (void)killed_at(
          "transaction.before_commit", [&] { (void)make_bytes(arena_, size); }, nth);
      left = BlockRef();
      (void)arena_.recover();
      expect_zeroed();
    }
  }
  expect_clean(arena_);
}

TEST_F(FreshMemory, IsZeroAndGivenBackAfterADeathBeforeItWasCounted) {
  POLYPROC_NEEDS_FAIL_POINTS();
  (void)arena_.recover();
  const std::uint64_t before = memory_behind(arena_);
  BlockRef left = make_bytes(arena_, 7 * kMiB);
  EXPECT_TRUE(killed_at("page_heap.reserved", [&] { (void)make_bytes(arena_, 7 * kMiB); }));
  left = BlockRef();
  expect_recovered(blocks_);
  EXPECT_LT(memory_behind(arena_), before + kMiB);
  expect_zeroed();
}

TEST_F(FreshMemory, AfterADeathWhileASlabIsReleasedIsWhole) {
  POLYPROC_NEEDS_FAIL_POINTS();
  for (std::uint32_t nth = 1; nth < 6; ++nth) {
    std::vector<BlockRef> others = fill_up(arena_, 30 * kMiB);
    std::vector<BlockRef> small;
    for (int i = 0; i < 64; ++i) small.push_back(make_bytes(arena_, 2000));
    others.clear();
    for (int i = 0; i < 64; i += 2) small[static_cast<std::size_t>(i)] = BlockRef();
    (void)arena_.recover();  // what is free has no memory
    (void)killed_at(
        "transaction.before_commit", [&] { (void)make_bytes(arena_, 2000); }, nth);
    (void)arena_.recover();
    expect_clean(arena_);
    small.clear();
    expect_recovered(arena_.stats().blocks);
  }
}

}  // namespace
}  // namespace polyproc
