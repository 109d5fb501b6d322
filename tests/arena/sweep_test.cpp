// SPDX-License-Identifier: MIT
// A process killed after each machine instruction of the arena's operations: the survivor's arena is whole, and what the
// dead one held comes back.
#include "support/sweep.hpp"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <optional>
#include <vector>

#include <polyproc/arena/arena.hpp>

#include "arena/arena_core.hpp"
#include "arena/robust_word.hpp"

namespace polyproc {
namespace {

using testing::Death;
using testing::sweep;

class SweepArena : public ::testing::Test {
 protected:
  void SetUp() override {
    warm_up();
    blocks_ = arena_.stats().blocks;
  }

  // Makes the tables that stay, so that the number of blocks is comparable.
  void warm_up() {
    { const BlockRef any = BlockRef::create(arena_, BlockKind::bytes, {}, 64); }
    (void)sweep({.operation = [] {}, .verify = [&](const Death&) { (void)arena_.recover(); }});
  }

  void expect_whole() {
    EXPECT_EQ(arena_.recover(), 1u);
    const ArenaReport report = arena_.check();
    for (const std::string& error : report.errors) ADD_FAILURE() << error;
    const BlockRef next = BlockRef::create(arena_, BlockKind::bytes, {}, 64);
    std::memset(next.data(), 1, 64);
    EXPECT_EQ(arena_.stats().blocks, blocks_ + 1);
  }

  // As if all memory had been taken long ago: a release then gives it back at every speed, traced step by step or not.
  void forget_what_was_taken() { arena_.core().region().header().span_began.store(0); }

  Arena arena_ = Arena::anonymous({.limit = 64u << 20});
  std::uint64_t blocks_ = 0;
};

TEST_F(SweepArena, AllocationOfASmallBlock) {
  std::optional<BlockRef> made;
  const auto instructions =
      sweep({.operation = [&] { made = BlockRef::create(arena_, BlockKind::bytes, {}, 100); },
             .verify = [&](const Death&) { expect_whole(); }});
  EXPECT_GT(instructions, 100u);
}

TEST_F(SweepArena, AllocationThatNeedsFreshPages) {
  std::optional<BlockRef> made;
  const auto instructions =
      sweep({.operation = [&] { made = BlockRef::create(arena_, BlockKind::bytes, {}, 300'000, false); },
             .verify = [&](const Death&) { expect_whole(); }});
  EXPECT_GT(instructions, 100u);
}

TEST_F(SweepArena, ReleaseOfABlock) {
  std::optional<BlockRef> made;
  const auto instructions =
      sweep({.prepare = [&] { made = BlockRef::create(arena_, BlockKind::bytes, {}, 100); },
             .operation = [&] { made.reset(); },
             .verify = [&](const Death&) { expect_whole(); }});
  EXPECT_GT(instructions, 100u);
}

TEST_F(SweepArena, ReleaseOfALargeBlock) {
  std::optional<BlockRef> made;
  const auto instructions = sweep({.prepare =
                                       [&] {
                                         made =
                                             BlockRef::create(arena_, BlockKind::bytes, {}, 5'000'000, false);
                                         forget_what_was_taken();
                                       },
                                   .operation = [&] { made.reset(); },
                                   .verify = [&](const Death&) { expect_whole(); }});
  EXPECT_GT(instructions, 100u);
}

TEST_F(SweepArena, ReferenceToABlock) {
  const BlockRef object = BlockRef::create(arena_, BlockKind::bytes, {}, 100);
  arena_.publish("object", object);  // so that the child can find it without having inherited it
  blocks_ = arena_.stats().blocks;
  const Handle handle = object.handle();
  std::optional<BlockRef> held(object);
  const auto instructions = sweep({.prepare =
                                       [&] {
                                         held.reset();
                                         const_cast<BlockRef&>(object) = BlockRef();
                                       },
                                   .operation = [&] { held = BlockRef::open(handle, BlockKind::bytes, {}); },
                                   .verify =
                                       [&](const Death&) {
                                         expect_whole();
                                         EXPECT_EQ(BlockRef::open(handle, BlockKind::bytes, {}), object);
                                       }});
  EXPECT_GT(instructions, 100u);
  EXPECT_TRUE(arena_.withdraw("object"));
}

TEST_F(SweepArena, DereferenceOfABlockThatOthersHold) {
  std::optional<BlockRef> object = BlockRef::create(arena_, BlockKind::bytes, {}, 100);
  blocks_ = arena_.stats().blocks;
  const auto instructions = sweep({.operation = [&] { object.reset(); },
                                   .verify =
                                       [&](const Death&) {
                                         expect_whole();
                                         std::memset(object->data(), 2, 100);
                                       }});
  EXPECT_GT(instructions, 100u);
}

TEST_F(SweepArena, PublishingAndWithdrawing) {
  const BlockRef object = BlockRef::create(arena_, BlockKind::bytes, {}, 100);
  arena_.publish("first", object);
  blocks_ = arena_.stats().blocks;
  const auto instructions = sweep({.operation =
                                       [&] {
                                         arena_.publish("second", object);
                                         (void)arena_.withdraw("second");
                                       },
                                   .verify =
                                       [&](const Death&) {
                                         (void)arena_.recover();
                                         const bool stood = arena_.withdraw("second");
                                         EXPECT_EQ(arena_.names().size(), 1u) << stood;
                                         const ArenaReport report = arena_.check();
                                         for (const std::string& error : report.errors)
                                           ADD_FAILURE() << error;
                                         EXPECT_EQ(arena_.stats().blocks, blocks_);
                                       }});
  EXPECT_GT(instructions, 100u);
  EXPECT_TRUE(arena_.withdraw("first"));
}

TEST_F(SweepArena, AllocationAndReleaseOfASlab) {
  std::vector<BlockRef>
      others;  // the last place of a slab is taken: the next block makes another, and its end frees it
  for (std::uint64_t i = 0; i < 12; ++i)
    others.push_back(BlockRef::create(arena_, BlockKind::bytes, {}, 2400));
  warm_up();
  blocks_ = arena_.stats().blocks;
  const auto instructions = sweep({
      .operation =
          [&] {
            std::vector<BlockRef> own;
            for (int i = 0; i < 7; ++i)
              own.push_back(BlockRef::create(arena_, BlockKind::bytes, {}, 2400, false));
          },
      .verify = [&](const Death&) { expect_whole(); },
  });
  EXPECT_GT(instructions, 100u);
}

TEST_F(SweepArena, RecoveryOfWhatAnotherHeld) {
  const auto leave_something = [&] {
    const pid_t victim = ::fork();
    if (victim == 0) {
      new BlockRef(BlockRef::create(arena_, BlockKind::bytes, {}, 100));
      new BlockRef(BlockRef::create(arena_, BlockKind::bytes, {}, 20'000, false));
      ::_exit(0);
    }
    ::waitpid(victim, nullptr, 0);
  };
  const auto instructions = sweep({
      .prepare = leave_something,
      .operation = [&] { (void)arena_.core().recover(); },
      .verify =
          [&](const Death&) {
            EXPECT_GE(arena_.recover(), 1u);
            EXPECT_EQ(arena_.recover(), 0u);
            EXPECT_EQ(arena_.stats().blocks, blocks_);
            EXPECT_EQ(arena_.stats().processes, 1u);
            const ArenaReport report = arena_.check();
            for (const std::string& error : report.errors) ADD_FAILURE() << error;
          },
  });
  EXPECT_GT(instructions, 100u);
}

// The word under all locks, with somebody asleep on it as far as the releaser can see.
class SweepRobustWord : public SweepArena {
 protected:
  void SetUp() override {
    SweepArena::SetUp();
    object_ = BlockRef::create(arena_, BlockKind::bytes, {}, sizeof(RobustWord));
    blocks_ = arena_.stats().blocks;
  }
  RobustWord& word() { return *reinterpret_cast<RobustWord*>(object_.data()); }
  // Swept operations take no deadline: the clock's instructions differ from one reading to the next.
  Claim take(Deadline deadline = Deadline::never()) {
    return acquire(word(), arena_.core(), deadline, kInternalPatience);
  }
  void expect_takeable() {
    EXPECT_NE(take(Deadline::after(std::chrono::seconds(1))), Claim::timed_out);
    release(word());
    EXPECT_EQ(word().value.load(), 0u);
    expect_whole();
  }
  BlockRef object_;
};

TEST_F(SweepRobustWord, Acquire) {
  EXPECT_GT(sweep({.operation = [&] { (void)take(); }, .verify = [&](const Death&) { expect_takeable(); }}),
            10u);
}

TEST_F(SweepRobustWord, ReleaseThatWakes) {
  EXPECT_GT(sweep({.prepare =
                       [&] {
                         (void)take();
                         word().value.fetch_or(kWaitersBit);
                       },
                   .operation = [&] { release(word()); },
                   .verify = [&](const Death&) { expect_takeable(); }}),
            10u);
}

TEST_F(SweepRobustWord, TakeOverFromTheDead) {
  EXPECT_GT(sweep({.prepare =
                       [&] {
                         const pid_t owner = ::fork();
                         if (owner == 0) {
                           (void)take();
                           ::_exit(0);
                         }
                         ::waitpid(owner, nullptr, 0);
                       },
                   .operation = [&] { EXPECT_EQ(take(), Claim::taken_from_dead); },
                   .verify =
                       [&](const Death&) {
                         EXPECT_EQ(take(Deadline::after(std::chrono::seconds(1))), Claim::taken_from_dead);
                         release(word());
                         (void)arena_.recover();
                         EXPECT_EQ(arena_.stats().processes, 1u);
                       }}),
            10u);
}

}  // namespace
}  // namespace polyproc
