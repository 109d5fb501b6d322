// SPDX-License-Identifier: MIT
// Blocks: of any size, aligned, zeroed, distinct, and their memory used again and given back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "arena/block_heap.hpp"
#include "arena/support.hpp"

namespace polyproc {
namespace {

using namespace testing;
using ::testing::HasSubstr;

class Block : public ::testing::Test {
 protected:
  void SetUp() override { warm_up(arena_); }
  void TearDown() override { expect_clean(arena_); }
  Arena arena_ = Arena::anonymous({.limit = 256 * kMiB});
};

TEST_F(Block, OfNoBytesExists) {
  const BlockRef block = make_bytes(arena_, 0);
  EXPECT_EQ(block.size(), 0u);
  EXPECT_TRUE(block);
  EXPECT_EQ(open_bytes(block.handle()), block);
}

TEST_F(Block, OfEachSizeHoldsItsBytes) {
  std::vector<std::uint64_t> sizes{1, 63, 64, 65, 2 * kKiB, 4 * kKiB, 64 * kKiB, kMiB, 64 * kMiB};
  for (const std::uint64_t place : kClassBytes) {
    for (int by = -1; by <= 1; ++by)
      sizes.push_back(place - kBlockHeaderBytes + static_cast<std::uint64_t>(by));
  }
  for (const std::uint64_t page : {1u, 2u, 3u, 63u, 64u, 65u, 66u}) {
    for (int by = -1; by <= 1; ++by)
      sizes.push_back(page * kPageSize - kBlockHeaderBytes + static_cast<std::uint64_t>(by));
  }
  std::vector<BlockRef> blocks;
  for (const std::uint64_t size : sizes) {
    const BlockRef block = make_bytes(arena_, size);
    EXPECT_EQ(block.size(), size);
    EXPECT_TRUE(is_zero(block)) << size;
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block.data()) % 64, 0u) << size;
    fill(block, static_cast<int>(blocks.size() + 1));
    blocks.push_back(block);
  }
  expect_clean(arena_);
  for (std::size_t i = 0; i < blocks.size(); ++i) {  // none has written into another
    const auto expected = static_cast<std::byte>(i + 1);
    EXPECT_TRUE(std::all_of(blocks[i].data(), blocks[i].data() + blocks[i].size(), [&](std::byte each) {
      return each == expected;
    })) << sizes[i];
  }
}

TEST_F(Block, OfReusedMemoryIsZeroed) {
  for (const std::uint64_t size : {1u, 64u, 500u, 2048u, 4096u, 10'000u, 300'000u, 5'000'000u}) {
    for (int round = 0; round < 3; ++round) {
      const BlockRef block = make_bytes(arena_, size);
      EXPECT_TRUE(is_zero(block)) << size;
      fill(block, 0xff);
    }
  }
}

TEST_F(Block, OfMixedReusedMemoryIsZeroed) {
  std::mt19937 random(7);  // NOLINT(cert-msc51-cpp): the same each time
  std::vector<BlockRef> blocks(40);
  for (int i = 0; i < 3000; ++i) {
    BlockRef& block = blocks[random() % blocks.size()];
    block = BlockRef();
    block = make_bytes(arena_, random() % (random() % 8 == 0 ? 400'000 : 6'000));
    ASSERT_TRUE(is_zero(block)) << i;
    fill(block, 0xff);
    if (i % 500 == 0) (void)arena_.recover();  // the memory goes and comes back
  }
}

TEST_F(Block, IsCountedAndGoesWithItsLastReference) {
  const auto before = arena_.stats().blocks;
  BlockRef one = make_bytes(arena_, 100);
  BlockRef two = one;
  const BlockRef three = std::move(one);
  EXPECT_EQ(arena_.stats().blocks, before + 1);
  two = BlockRef();
  EXPECT_EQ(arena_.stats().blocks, before + 1);
  { const BlockRef gone = std::move(const_cast<BlockRef&>(three)); }
  EXPECT_EQ(arena_.stats().blocks, before);
}

TEST_F(Block, ReferencesCompareByBlock) {
  const BlockRef one = make_bytes(arena_, 1);
  const BlockRef other = make_bytes(arena_, 1);
  const BlockRef copy = one;
  EXPECT_EQ(copy, one);
  EXPECT_FALSE(one == other);
  EXPECT_EQ(BlockRef(), BlockRef());
}

TEST_F(Block, ReferenceIsEmptyAfterAMoveAndSaysSo) {
  BlockRef from = make_bytes(arena_, 8);
  const BlockRef to = std::move(from);
  EXPECT_FALSE(from);  // NOLINT(bugprone-use-after-move): that is the question
  try {
    from.require("reading a thing");
    FAIL() << "no exception";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("reading a thing"));
  }
}

TEST_F(Block, KnowsItsType) {
  const BlockRef block = BlockRef::create(arena_, BlockKind::array, {"<d", 8, 8}, 80);
  EXPECT_EQ(block.kind(), BlockKind::array);
  EXPECT_EQ(block.type().format, "<d");
  EXPECT_EQ(block.type().size, 8u);
  EXPECT_EQ(block.type().align, 8u);
  EXPECT_EQ(block.arena(), arena_);
}

TEST_F(Block, WithTooLongAFormatIsRefusedAndCostsNothing) {
  const auto before = arena_.stats().blocks;
  const std::string longest(79, 'x');
  EXPECT_EQ(BlockRef::create(arena_, BlockKind::array, {longest, 8, 8}, 8).type().format, longest);
  EXPECT_THROW((void)BlockRef::create(arena_, BlockKind::array, {longest + "x", 8, 8}, 8), InvalidArgument);
  EXPECT_EQ(arena_.stats().blocks, before);
}

TEST_F(Block, GenerationsAreNeverUsedTwice) {
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 200; ++i) EXPECT_TRUE(seen.insert(make_bytes(arena_, 100).handle().generation).second);
}

}  // namespace
}  // namespace polyproc
