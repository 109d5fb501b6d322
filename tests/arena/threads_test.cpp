// SPDX-License-Identifier: MIT
// Threads on one mapping: what the thread sanitizer watches.
#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "arena/support.hpp"
#include "os/sanitizer.hpp"
#include "support/forked_child.hpp"

namespace polyproc {
namespace {

using namespace testing;

class ArenaThreads : public ::testing::Test {
 protected:
  template <class Act>
  void run(int threads, Act act) {
    std::vector<std::thread> all;
    for (int i = 0; i < threads; ++i) all.emplace_back([&, i] { act(i); });
    for (auto& thread : all) thread.join();
    (void)arena_.recover();
    expect_clean(arena_);
  }
  Arena arena_ = Arena::anonymous({.limit = 64 * kMiB});
};

TEST_F(ArenaThreads, AllocateAndFree) {
  run(4, [&](int i) {
    std::mt19937 random(static_cast<unsigned>(i));
    std::vector<BlockRef> held(20);
    for (int j = 0; j < 1500; ++j) {
      BlockRef& block = held[random() % held.size()];
      block = make_bytes(arena_, random() % 9000);
      EXPECT_TRUE(is_zero(block));
      fill(block, i + 1);
    }
  });
}

TEST_F(ArenaThreads, ShareOneReference) {
  const BlockRef shared = make_bytes(arena_, 64);
  run(4, [&](int) {
    for (int j = 0; j < 3000; ++j) {
      const BlockRef copy = shared;
      const BlockRef moved = std::move(const_cast<BlockRef&>(copy));
      EXPECT_EQ(moved, shared);
    }
  });
}

TEST_F(ArenaThreads, OpenAndDropTheSameHandle) {
  arena_.publish("object", make_bytes(arena_, 64));
  const Handle handle = arena_.find("object")->handle();
  run(4, [&](int) {
    for (int j = 0; j < 2000; ++j) EXPECT_EQ(open_bytes(handle).size(), 64u);
  });
  EXPECT_TRUE(arena_.withdraw("object"));
}

TEST_F(ArenaThreads, PublishFindAndWithdraw) {
  run(4, [&](int i) {
    const std::string mine = "name" + std::to_string(i);
    for (int j = 0; j < 400; ++j) {
      arena_.publish(mine, make_bytes(arena_, 10));
      (void)arena_.find("name" + std::to_string((i + 1) % 4));
      EXPECT_TRUE(arena_.withdraw(mine));
      EXPECT_FALSE(arena_.withdraw("absent"));
    }
  });
}

TEST_F(ArenaThreads, AttachAndDetachArenasOfTheirOwn) {
  run(4, [&](int) {
    for (int j = 0; j < 30; ++j) {
      const Arena own = Arena::anonymous({.limit = 8 * kMiB, .reserve = 64 * kMiB});
      (void)own.core().thread_slot();
      fill(open_bytes(make_bytes(own, 100).handle()), 1);
    }
  });
}

TEST_F(ArenaThreads, AskWhoIsAliveWhileOthersTakeSlots) {
#if defined(POLYPROC_THREAD_SANITIZER)
  const int children = 8;
#else
  const int children = 20;
#endif
  std::atomic<bool> stop{false};
  std::thread asker([&] {
    while (!stop) {
      for (std::uint64_t i = 0; i < 40; ++i) (void)arena_.core().alive(std::uint64_t{1} << 32 | (i + 1));
      (void)arena_.recover();
    }
  });
  {
    std::vector<ForkedChild> all;
    for (int i = 0; i < children; ++i) all.emplace_back([] { ::pause(); });
  }
  stop = true;
  asker.join();
  (void)arena_.recover();
  EXPECT_EQ(arena_.stats().processes, 1u);
}

TEST_F(ArenaThreads, CheckAndRecoverBesideWork) {
  run(4, [&](int i) {
    for (int j = 0; j < 200; ++j) {
      if (i == 0) expect_clean(arena_);
      if (i == 1) (void)arena_.recover();
      if (i == 2) (void)arena_.stats();
      fill(make_bytes(arena_, 4000), i);
    }
  });
}

}  // namespace
}  // namespace polyproc
