// SPDX-License-Identifier: MIT
// The lock word: one holder at a time, and nobody hangs whoever dies.
#include "arena/robust_word.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "arena/support.hpp"
#include "support/kill.hpp"

namespace polyproc {
namespace {

using namespace testing;
using namespace std::chrono_literals;

class RobustWordTest : public ::testing::Test {
 protected:
  struct Shared {
    RobustWord word;
    std::atomic<std::uint64_t> count;
    std::atomic<std::uint32_t> step;
  };

  Claim take(Deadline deadline = Deadline::after(20s), Patience patience = kInternalPatience) {
    return acquire(shared().word, arena_.core(), deadline, patience);
  }
  void give() { release(shared().word); }
  Shared& shared() { return *reinterpret_cast<Shared*>(block_.data()); }
  // Not atomic in one step: two at once would be seen in the sum.
  void count_up() {
    shared().count.store(shared().count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  [[nodiscard]] bool has_sleeper() { return (shared().word.value.load() & kWaitersBit) != 0; }

  Arena arena_ = Arena::anonymous({.limit = 64 * kMiB});
  BlockRef block_ = make_bytes(arena_, sizeof(Shared));
};

TEST_F(RobustWordTest, IsTakenAndGivenBack) {
  EXPECT_EQ(take(), Claim::taken);
  EXPECT_EQ(owner_of(shared().word.value), arena_.core().identity());
  give();
  EXPECT_EQ(shared().word.value.load(), 0u);
}

TEST_F(RobustWordTest, HeldTimesOutAtItsDeadline) {
  ASSERT_EQ(take(), Claim::taken);
  ForkedChild child([&] {
    if (take(Deadline::now()) != Claim::timed_out) return 1;
    const auto start = std::chrono::steady_clock::now();
    if (take(Deadline::after(30ms)) != Claim::timed_out) return 2;
    const double waited = seconds_since(start);
    return waited >= 0.03 && waited < 5 ? 0 : 3;
  });
  EXPECT_EQ(child.join(), 0);
  give();
  EXPECT_EQ(take(Deadline::now()), Claim::taken);
}

TEST_F(RobustWordTest, ExcludesProcesses) {
  std::vector<ForkedChild> children;
  for (int i = 0; i < 4; ++i) {
    children.emplace_back([&] {
      for (int j = 0; j < 20'000; ++j) {
        if (take() != Claim::taken) return 1;
        count_up();
        give();
      }
      return 0;
    });
  }
  for (auto& child : children) EXPECT_EQ(child.join(), 0);
  EXPECT_EQ(shared().count.load(), 80'000u);
}

TEST_F(RobustWordTest, ExcludesThreads) {
  std::uint64_t sum = 0;  // plain: the thread sanitizer watches
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 10'000; ++j) {
        EXPECT_EQ(take(), Claim::taken);
        ++sum;
        give();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(sum, 40'000u);
}

TEST_F(RobustWordTest, OfAKilledOwnerIsTakenOverByASleeper) {
  ForkedChild owner([&] {
    (void)take();
    shared().step = 1;
    for (;;) ::pause();
  });
  ASSERT_TRUE(wait_until([&] { return shared().step == 1; }));
  ForkedChild sleeper([&] { return take() == Claim::taken_from_dead ? 0 : 1; });
  ASSERT_TRUE(wait_until([&] { return has_sleeper(); }));
  owner.kill(SIGKILL);
  owner.join();
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(sleeper.join(), 0);
  EXPECT_LT(seconds_since(start), 1);
}

TEST_F(RobustWordTest, OfAKilledOwnerIsTakenOverWithoutWaiting) {
  ForkedChild owner([&] { (void)take(); });
  owner.join();
  EXPECT_EQ(take(Deadline::now()), Claim::taken_from_dead);
  give();
  EXPECT_EQ(take(), Claim::taken);
}

TEST_F(RobustWordTest, OfAReusedSlotIsStillTheDeadOnes) {
  ForkedChild owner([&] { (void)take(); });
  owner.join();
  (void)arena_.recover();
  ForkedChild successor([&] { return take() == Claim::taken_from_dead ? 0 : 1; });
  EXPECT_EQ(successor.join(), 0);
}

TEST_F(RobustWordTest, SurvivesAKilledSleeper) {
  ASSERT_EQ(take(), Claim::taken);
  ForkedChild sleeper([&] { (void)take(); });
  ASSERT_TRUE(wait_until([&] { return has_sleeper(); }));
  sleeper.kill(SIGKILL);
  sleeper.join();
  ForkedChild next([&] { return take() == Claim::taken ? 0 : 1; });
  ASSERT_TRUE(wait_until_asleep(next.pid()));
  give();
  EXPECT_EQ(next.join(), 0);
}

TEST_F(RobustWordTest, DoesNotLoseTheWakeUpOfAKilledReleaser) {
  POLYPROC_NEEDS_FAIL_POINTS();
  for (int i = 0; i < 40; ++i) {
    shared().step = 0;
    ForkedChild owner([&] {
      (void)take();
      shared().step = 1;
      if (!wait_until([&] { return shared().step == 2; })) return 1;
      os::arm_fail_point("robust_word.before_wake");
      give();
      return 2;
    });
    ASSERT_TRUE(wait_until([&] { return shared().step == 1; }));
    ForkedChild sleeper([&] { return take() == Claim::taken ? 0 : 1; });
    ASSERT_TRUE(wait_until([&] { return has_sleeper(); }));
    shared().step = 2;
    EXPECT_EQ(owner.join(), -SIGKILL);
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(sleeper.join(), 0);
    EXPECT_LT(seconds_since(start), 1);
    EXPECT_EQ(take(), Claim::taken_from_dead);
    give();
  }
}

TEST_F(RobustWordTest, DoesNotLoseAWakeUpGivenToTheKilled) {
  POLYPROC_NEEDS_FAIL_POINTS();
  for (int i = 0; i < 40; ++i) {
    ASSERT_NE(take(), Claim::timed_out);
    ForkedChild first([&] {
      os::arm_fail_point("robust_word.after_sleep");
      (void)take(Deadline::after(20s), {20s, 20s});  // sleeps until it is woken, to die
    });
    ASSERT_TRUE(wait_until([&] { return process_state(first.pid()) == 'S'; }));
    ForkedChild second([&] { return take() == Claim::timed_out ? 1 : 0; });
    ASSERT_TRUE(wait_until([&] { return process_state(second.pid()) == 'S'; }));
    give();
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(second.join(), 0);
    EXPECT_LT(seconds_since(start), 1);
    EXPECT_EQ(first.join(), -SIGKILL);
  }
}

TEST_F(RobustWordTest, OfAStoppedOwnerIsNotTaken) {
  ForkedChild owner([&] {
    (void)take();
    shared().step = 1;
    for (;;) ::pause();
  });
  ASSERT_TRUE(wait_until([&] { return shared().step == 1; }));
  owner.kill(SIGSTOP);
  ASSERT_TRUE(wait_until([&] { return process_state(owner.pid()) == 'T'; }));
  EXPECT_EQ(take(Deadline::after(100ms)), Claim::timed_out);
}

TEST_F(RobustWordTest, KeepsGoingThroughAStormOfKills) {
  constexpr int kWorkers = 3;
  std::vector<ForkedChild> workers;
  const auto work = [&] {
    for (;;) {
      (void)take();
      count_up();
      give();
    }
  };
  for (int i = 0; i < kWorkers; ++i) workers.emplace_back(work);
  for (int i = 0; i < 60; ++i) {
    const std::uint64_t before = shared().count;
    ASSERT_TRUE(wait_until([&] { return shared().count > before + 50; }, 1s)) << "after " << i << " kills";
    workers[static_cast<std::size_t>(i % kWorkers)].kill(SIGKILL);
    workers[static_cast<std::size_t>(i % kWorkers)].join();
    workers[static_cast<std::size_t>(i % kWorkers)] = ForkedChild(work);
  }
}

}  // namespace
}  // namespace polyproc
