// SPDX-License-Identifier: MIT
// Slots of threads: one each, given back when the thread or its process ends.
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "arena/support.hpp"
#include "support/forked_child.hpp"

namespace polyproc {
namespace {

using namespace testing;

class ThreadSlots : public ::testing::Test {
 protected:
  [[nodiscard]] std::uint32_t slots() const {
    return std::atomic_ref(arena_.core().header().thread_slots).load(std::memory_order_acquire);
  }
  void TearDown() override {
    (void)arena_.recover();
    expect_clean(arena_);
  }
  Arena arena_ = Arena::anonymous({.limit = 64 * kMiB});
};

TEST_F(ThreadSlots, AreTheSameForAThreadAndDifferentForTwo) {
  ThreadSlot& mine = arena_.core().thread_slot();
  EXPECT_EQ(&arena_.core().thread_slot(), &mine);
  std::thread([&] { EXPECT_NE(&arena_.core().thread_slot(), &mine); }).join();
  EXPECT_EQ(mine.process.load(), arena_.core().identity());
}

TEST_F(ThreadSlots, OfThreadsThatComeAndGoAreUsedAgainUnderANewId) {
  std::set<std::uint64_t> ids;
  for (int i = 0; i < 100; ++i) {
    std::thread([&] { EXPECT_TRUE(ids.insert(arena_.core().thread_slot().id).second); }).join();
  }
  EXPECT_EQ(slots(), 8u);
}

TEST_F(ThreadSlots, OfManyThreadsAtOnceGrow) {
  std::atomic<int> ready{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 30; ++i) {
    threads.emplace_back([&] {
      (void)arena_.core().thread_slot();
      for (++ready; ready < 30;) std::this_thread::yield();
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(slots(), 8u + 16u + 32u);
}

TEST_F(ThreadSlots, OfTwoArenasAreKeptApart) {
  const Arena other = Arena::anonymous();
  ThreadSlot& here = arena_.core().thread_slot();
  ThreadSlot& there = other.core().thread_slot();
  EXPECT_NE(&here, &there);
  EXPECT_EQ(&arena_.core().thread_slot(), &here);
  EXPECT_EQ(&other.core().thread_slot(), &there);
}

TEST_F(ThreadSlots, OfAThreadThatOutlivesItsArenaAreForgotten) {
  std::optional<Arena> shortly = Arena::anonymous();
  std::atomic<int> step{0};
  std::thread thread([&] {
    (void)shortly->core().thread_slot();
    step = 1;
    while (step != 2) std::this_thread::yield();
  });
  while (step != 1) std::this_thread::yield();
  shortly.reset();
  step = 2;
  thread.join();
}

TEST_F(ThreadSlots, OfKilledProcessesAreReturned) {
  for (int i = 0; i < 20; ++i) {
    ForkedChild child([&] {
      std::vector<std::thread> threads;
      for (int j = 0; j < 4; ++j) {
        threads.emplace_back([&, j] {
          (void)arena_.core().thread_slot();
          if (j == 3) ::raise(SIGKILL);
          for (;;) ::pause();
        });
      }
      for (auto& thread : threads) thread.join();
    });
    EXPECT_EQ(child.join(), -SIGKILL);
    (void)arena_.recover();
  }
  EXPECT_EQ(slots(), 8u);
}

TEST_F(ThreadSlots, OfAForkedChildAreItsOwn) {
  ThreadSlot& mine = arena_.core().thread_slot();
  ForkedChild child([&] {
    ThreadSlot& own = arena_.core().thread_slot();
    return &own != &mine && own.process.load() == arena_.core().identity() ? 0 : 1;
  });
  EXPECT_EQ(child.join(), 0);
  (void)arena_.recover();
  EXPECT_EQ(&arena_.core().thread_slot(), &mine);
  EXPECT_EQ(mine.process.load(), arena_.core().identity());
}

}  // namespace
}  // namespace polyproc
