// SPDX-License-Identifier: MIT
// A process killed after each machine instruction of the arena's operations: the survivor's arena is whole, and what the
// dead one held comes back.
#include "support/sweep.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <optional>

#include <polyproc/arena/arena.hpp>

#include "arena/arena_core.hpp"

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
  const auto instructions =
      sweep({.prepare = [&] { made = BlockRef::create(arena_, BlockKind::bytes, {}, 5'000'000, false); },
             .operation = [&] { made.reset(); },
             .verify = [&](const Death&) { expect_whole(); },
             .stride = 3});
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

}  // namespace
}  // namespace polyproc
