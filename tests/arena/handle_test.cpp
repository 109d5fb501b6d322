// SPDX-License-Identifier: MIT
// Handles: plain data that names a block in every process, checked when it is opened.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "arena/support.hpp"

namespace polyproc {
namespace {

using namespace testing;
using ::testing::AllOf;
using ::testing::HasSubstr;

class HandleTest : public ::testing::Test {
 protected:
  void TearDown() override { expect_clean(arena_); }

  template <class Kind = UsageError>
  std::string refusal(const Handle& handle) {
    try {
      (void)open_bytes(handle);
    } catch (const Kind& error) {
      return error.what();
    }
    return "no exception";
  }

  Arena arena_ = Arena::anonymous({.limit = 64 * kMiB});
};

TEST_F(HandleTest, OpensTheSameBlock) {
  const BlockRef block = make_bytes(arena_, 10);
  const BlockRef again = open_bytes(block.handle());
  EXPECT_EQ(again, block);
  EXPECT_EQ(again.data(), block.data());
}

TEST_F(HandleTest, OfAnotherKindIsRefusedNamingBoth) {
  const BlockRef block = BlockRef::create(arena_, BlockKind::value, {"<i", 4, 4}, 4);
  try {
    (void)BlockRef::open(block.handle(), BlockKind::array, {"<d", 8, 8});
    FAIL() << "no exception";
  } catch (const TypeMismatch& error) {
    EXPECT_THAT(error.what(),
                AllOf(HasSubstr("Value of '<i' (4 bytes"), HasSubstr("Array of '<d' (8 bytes")));
  }
}

TEST_F(HandleTest, OfAnotherSizeOrAlignmentIsRefused) {
  const BlockRef block = BlockRef::create(arena_, BlockKind::value, {"T{}", 8, 8}, 8);
  EXPECT_THROW((void)BlockRef::open(block.handle(), BlockKind::value, {"T{}", 16, 8}), TypeMismatch);
  EXPECT_THROW((void)BlockRef::open(block.handle(), BlockKind::value, {"T{}", 8, 4}), TypeMismatch);
  EXPECT_EQ(BlockRef::open(block.handle(), BlockKind::value, {"T{}", 8, 8}), block);
}

TEST_F(HandleTest, RefusedForItsTypeCostsNoReference) {
  BlockRef block = BlockRef::create(arena_, BlockKind::value, {"<i", 4, 4}, 4);
  const auto blocks = arena_.stats().blocks;
  EXPECT_THROW((void)open_bytes(block.handle()), TypeMismatch);
  block = BlockRef();
  EXPECT_EQ(arena_.stats().blocks, blocks - 1);
}

TEST_F(HandleTest, OfABlockThatIsGoneIsRefused) {
  BlockRef block = make_bytes(arena_, 100);
  const Handle handle = block.handle();
  block = BlockRef();
  EXPECT_THAT(refusal(handle), HasSubstr("does not exist any more"));
}

TEST_F(HandleTest, IsNotFooledByANewBlockInTheSamePlace) {
  BlockRef block = make_bytes(arena_, 100);
  const Handle handle = block.handle();
  block = BlockRef();
  block = make_bytes(arena_, 100);
  ASSERT_EQ(block.handle().offset, handle.offset);
  EXPECT_THAT(refusal(handle), HasSubstr("does not exist any more"));
}

TEST_F(HandleTest, OfALargeBlockWhoseMemoryIsGoneIsRefused) {
  BlockRef block = make_bytes(arena_, 8 * kMiB);
  const Handle handle = block.handle();
  block = BlockRef();
  (void)arena_.recover();
  EXPECT_THAT(refusal(handle), HasSubstr("does not exist any more"));
}

TEST_F(HandleTest, OfAnUnknownArenaIsRefused) {
  const BlockRef block = make_bytes(arena_, 100);
  Handle handle = block.handle();
  ++handle.arena;
  EXPECT_THAT(refusal(handle), HasSubstr("not attached"));
}

TEST_F(HandleTest, ThatPointsAnywhereIsRefusedAndHarmsNobody) {
  const BlockRef block = make_bytes(arena_, 10 * kKiB);
  fill(block, 0x42);
  const std::uint64_t reserve = arena_.core().region().header().reserve;
  const std::uint64_t offset = block.handle().offset;
  for (const std::uint64_t wrong :
       {std::uint64_t{0}, std::uint64_t{64}, offset + 1, offset + 64, offset + 4096, offset + kMiB,
        reserve - 4096, reserve - 1, reserve, ~std::uint64_t{0}}) {
    Handle handle = block.handle();
    handle.offset = wrong;
    EXPECT_THROW((void)open_bytes(handle), Error) << wrong;
  }
}

}  // namespace
}  // namespace polyproc
