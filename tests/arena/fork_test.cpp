// SPDX-License-Identifier: MIT
// Forked children, whoever called fork(): they have a place and references of their own before they run.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <thread>

#include "arena/support.hpp"
#include "support/forked_child.hpp"
#include "support/refusals.hpp"

namespace polyproc {
namespace {

using namespace testing;

class ArenaFork : public ::testing::Test {
 protected:
  void SetUp() override {
    warm_up(arena_);
    (void)arena_.core().thread_slot();
    start_ = arena_.stats();
  }
  void TearDown() override {
    (void)arena_.recover();
    expect_clean(arena_);
    EXPECT_EQ(arena_.stats().blocks, start_.blocks);
    EXPECT_EQ(arena_.stats().processes, start_.processes);
  }

  Arena arena_ = Arena::anonymous({.limit = 64 * kMiB});
  ArenaStats start_{};
};

TEST_F(ArenaFork, ParentAndChildSeeTheSameMemory) {
  const BlockRef block = make_bytes(arena_, 64);
  ForkedChild child([&] {
    block.data()[0] = std::byte{7};
    return open_bytes(block.handle()) == block ? 0 : 1;
  });
  EXPECT_EQ(child.join(), 0);
  EXPECT_EQ(block.data()[0], std::byte{7});
}

TEST_F(ArenaFork, AChildsReferenceKeepsTheBlock) {
  SharedPage<std::atomic<bool>> dropped;
  std::optional<BlockRef> block = make_bytes(arena_, 3000);
  fill(*block, 5);
  ForkedChild child([&] {
    if (!wait_until([&] { return dropped->load(); })) return 1;
    const auto others = make_bytes(arena_, 3000);
    fill(others, 9);
    return block->data()[2999] == std::byte{5} ? 0 : 2;
  });
  const Handle handle = block->handle();
  block.reset();
  *dropped = true;
  EXPECT_EQ(child.join(), 0);
  (void)arena_.recover();
  EXPECT_THROW((void)open_bytes(handle), UsageError);
}

TEST_F(ArenaFork, AParentsReferenceKeepsTheBlockThatAChildDrops) {
  std::optional<BlockRef> block = make_bytes(arena_, 3000);
  fill(*block, 5);
  ForkedChild child([&] {
    block.reset();
    fill(make_bytes(arena_, 3000), 9);
  });
  EXPECT_EQ(child.join(), 0);
  (void)arena_.recover();
  EXPECT_EQ(block->data()[2999], std::byte{5});
}

TEST_F(ArenaFork, AChildAndItsChildrenCanGoOn) {
  const BlockRef block = make_bytes(arena_, 8);
  ForkedChild child([&] {
    ForkedChild grandchild([&] {
      const BlockRef own = make_bytes(arena_, 100);
      block.data()[1] = std::byte{2};
    });
    return grandchild.join();
  });
  EXPECT_EQ(child.join(), 0);
  EXPECT_EQ(block.data()[1], std::byte{2});
}

TEST_F(ArenaFork, AChildThatIsKilledGivesBackWhatItMade) {
  SharedPage<std::atomic<bool>> made;
  ForkedChild child([&] {
    std::vector<BlockRef> own;
    for (std::uint64_t i = 0; i < 100; ++i) own.push_back(make_bytes(arena_, i * 100));
    *made = true;
    for (;;) ::pause();
  });
  ASSERT_TRUE(wait_until([&] { return made->load(); }));
  EXPECT_GE(arena_.stats().blocks, start_.blocks + 100);
  child.kill(SIGKILL);
  child.join();
  EXPECT_EQ(arena_.recover(), 1u);
  EXPECT_EQ(arena_.stats().blocks, start_.blocks);
}

TEST_F(ArenaFork, WhileThreadsWorkLeavesTheChildUsable) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      while (!stop) {
        const BlockRef one = make_bytes(arena_, 200);
        const BlockRef same = open_bytes(one.handle());
        (void)arena_.find("absent");
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    ForkedChild child([&] {
      const BlockRef own = make_bytes(arena_, 300);
      expect_clean(arena_);
      return ::testing::Test::HasFailure() ? 1 : 0;
    });
    EXPECT_EQ(child.join(), 0);
  }
  stop = true;
  for (auto& thread : threads) thread.join();
}

TEST_F(ArenaFork, FromAThreadLeavesTheChildUsable) {
  const BlockRef block = make_bytes(arena_, 64);
  int code = -1;
  std::thread([&] {
    (void)arena_.core().thread_slot();
    ForkedChild child([&] {
      (void)arena_.core().thread_slot();
      fill(open_bytes(block.handle()), 3);
    });
    code = child.join();
  }).join();
  EXPECT_EQ(code, 0);
  EXPECT_EQ(block.data()[0], std::byte{3});
}

TEST_F(ArenaFork, AChildWithoutAPlaceIsToldSo) {
  const BlockRef block = make_bytes(arena_, 64);
  std::optional<ForkedChild> child;
  {
    const NoDescriptors none;
    child.emplace([&] {
      const auto refused = [](auto act) {
        try {
          act();
        } catch (const UsageError&) {
          return true;
        }
        return false;
      };
      int wrong = 0;
      wrong += !refused([&] { (void)make_bytes(arena_, 64); });
      wrong += !refused([&] { (void)arena_.recover(); });
      wrong += !refused([&] { (void)arena_.stats(); });
      wrong += !refused([&] { (void)arena_.check(); });
      wrong += !refused([&] { (void)arena_.find("name"); });
      wrong += !refused([&] { (void)arena_.names(); });
      wrong += !refused([&] { (void)arena_.withdraw("name"); });
      wrong += !refused([&] { arena_.publish("name", block); });
      wrong += !refused([&] { (void)arena_.core().thread_slot(); });
      return wrong;
    });
  }
  EXPECT_EQ(child->join(), 0);
}

// What the child asks for in the handler of fork(), where nobody could catch an exception.
TEST_F(ArenaFork, AChildThatCannotTakeItsPlaceIsToldSo) {
  const BlockRef block = make_bytes(arena_, 64);
  fill(block, 5);
  ForkedChild parent([&] {
    if (!refuse({SYS_mmap, 3, MAP_SHARED, ENOMEM})) return 50;
    ForkedChild child([&] {
      try {
        (void)make_bytes(arena_, 64);
      } catch (const UsageError&) {
        return 0;
      }
      return 1;
    });
    const int code = child.join();
    (void)arena_.recover();
    return code + (block.data()[0] == std::byte{5} ? 0 : 2);
  });
  EXPECT_EQ(parent.join(), 0);
}

// The mapping that keeps a parent's claim is not in its children: what lies there is somebody else's.
TEST_F(ArenaFork, AChildWithoutAPlaceLeavesForeignMappingsAlone) {
  ForkedChild parent([] {
    auto own = std::make_unique<Arena>(Arena::anonymous({.limit = 8 * kMiB}));
    const NoDescriptors none;
    ForkedChild child([&] {
      std::vector<void*> pages;
      for (int i = 0; i < 64; ++i) {  // one of them takes the place that the parent's mapping has
        pages.push_back(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
      }
      own.reset();
      for (void* page : pages) {
        unsigned char resident = 0;
        if (::mincore(page, 4096, &resident) != 0) return 1;  // nothing is mapped there any more
      }
      return 0;
    });
    return child.join();
  });
  EXPECT_EQ(parent.join(), 0);
}

TEST_F(ArenaFork, AChildWithoutAPlaceDoesNotDropItsParentsReferences) {
  BlockRef block = make_bytes(arena_, 64);
  fill(block, 5);
  std::optional<ForkedChild> child;
  {
    const NoDescriptors none;
    child.emplace([&] { block = BlockRef(); });
  }
  EXPECT_EQ(child->join(), 0);
  EXPECT_EQ(open_bytes(block.handle()), block);
  const BlockRef other = make_bytes(arena_, 64);
  EXPECT_NE(other.data(), block.data());
  EXPECT_EQ(block.data()[0], std::byte{5});
}

}  // namespace
}  // namespace polyproc
