// SPDX-License-Identifier: MIT
// Barriers: a round is passed by all or by none, and nobody waits for the dead.
#include <gtest/gtest.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>
#include <polyproc/sync/barrier.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <vector>

#include "support/forked_child.hpp"

namespace polyproc {
namespace {

using namespace std::chrono_literals;
using testing::ForkedChild;
using testing::SharedPage;

[[nodiscard]] bool wait_until_waiting(const Barrier& barrier, std::uint64_t count) {
  return testing::wait_until([&] { return barrier.n_waiting() == count; });
}
// 0: passed, 1: broken.
int pass(Barrier& barrier) {
  try {
    (void)barrier.wait_for(20s);
    return 0;
  } catch (const BrokenBarrier&) {
    return 1;
  }
}

TEST(Barrier, OfOnePartyIsPassedAtOnce) {
  Barrier barrier(1);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(barrier.wait_for(0ms), 0u);
  EXPECT_EQ(barrier.wait_until(std::chrono::system_clock::now()), 0u);
  EXPECT_EQ(barrier.parties(), 1u);
  EXPECT_THROW(Barrier(0), InvalidArgument);
}

TEST(Barrier, KeepsProcessesAndThreadsInStep) {
  constexpr int kRounds = 300, kParties = 4;
  Barrier barrier(kParties);
  struct Seen {
    std::atomic<int> arrived, places;
  };
  SharedPage<Seen> seen;
  const auto march = [&] {
    for (int round = 0; round < kRounds; ++round) {
      ++seen->arrived;
      seen->places += static_cast<int>(barrier.wait_for(20s));
      if (seen->arrived < (round + 1) * kParties) return 1;
      (void)barrier.wait_for(20s);
    }
    return 0;
  };
  ForkedChild one(march), two(march);
  std::thread other([&] { EXPECT_EQ(march(), 0); });
  EXPECT_EQ(march(), 0);
  other.join();
  EXPECT_EQ(one.join(), 0);
  EXPECT_EQ(two.join(), 0);
  EXPECT_EQ(seen->places, kRounds * (0 + 1 + 2 + 3));
  EXPECT_EQ(barrier.n_waiting(), 0u);
}

TEST(Barrier, RunsTheActionOfTheLastBeforeAnyGoesOn) {
  Barrier barrier(2);
  SharedPage<std::atomic<int>> done;
  ForkedChild child([&] {
    (void)barrier.wait_for(20s);
    return done->load();
  });
  ASSERT_TRUE(wait_until_waiting(barrier, 1));
  barrier.set_action([&] { *done = 7; });
  EXPECT_EQ(barrier.wait(), 1u);
  EXPECT_EQ(child.join(), 7);
}

TEST(Barrier, IsBrokenByTheActionsException) {
  Barrier barrier(2);
  ForkedChild child([&] { return pass(barrier); });
  ASSERT_TRUE(wait_until_waiting(barrier, 1));
  barrier.set_action([] { throw std::logic_error("no"); });
  EXPECT_THROW((void)barrier.wait(), std::logic_error);
  EXPECT_EQ(child.join(), 1);
  EXPECT_TRUE(barrier.broken());
}

TEST(Barrier, IsBrokenByADeadlineUntilItIsReset) {
  Barrier barrier(3);
  ForkedChild child([&] { return pass(barrier); });
  ASSERT_TRUE(wait_until_waiting(barrier, 1));
  EXPECT_THROW((void)barrier.wait_for(5ms), BrokenBarrier);
  EXPECT_EQ(child.join(), 1);
  EXPECT_THROW((void)barrier.wait(), BrokenBarrier);
  barrier.reset();
  EXPECT_FALSE(barrier.broken());
  ForkedChild one([&] { return pass(barrier); }), two([&] { return pass(barrier); });
  EXPECT_EQ(pass(barrier), 0);
  EXPECT_EQ(one.join(), 0);
  EXPECT_EQ(two.join(), 0);
}

TEST(Barrier, SendsThoseWhoWaitAwayWhenItIsResetOrAborted) {
  for (const bool aborted : {false, true}) {
    Barrier barrier(3);
    ForkedChild one([&] { return pass(barrier); }), two([&] { return pass(barrier); });
    ASSERT_TRUE(wait_until_waiting(barrier, 2));
    aborted ? barrier.abort() : barrier.reset();
    EXPECT_EQ(barrier.broken(), aborted);
    EXPECT_EQ(one.join(), 1);
    EXPECT_EQ(two.join(), 1);
    EXPECT_EQ(barrier.n_waiting(), 0u);
  }
}

// The round that is reset during its action is over, however the action ends; what came to the next one stays there.
TEST(Barrier, IsPassedByNobodyAloneWhenItIsResetDuringTheAction) {
  for (const bool throws : {false, true}) {
    Barrier barrier(2);
    ForkedChild other([&] { return pass(barrier) == 1 && pass(barrier) == 0 ? 0 : 1; });
    ASSERT_TRUE(wait_until_waiting(barrier, 1));
    Barrier acting = barrier;
    acting.set_action([&] {
      barrier.reset();
      EXPECT_TRUE(wait_until_waiting(barrier, 1));
      if (throws) throw std::logic_error("no");
    });
    if (throws)
      EXPECT_THROW((void)acting.wait(), std::logic_error);
    else
      EXPECT_THROW((void)acting.wait(), BrokenBarrier);
    EXPECT_FALSE(barrier.broken());
    EXPECT_EQ(barrier.n_waiting(), 1u);
    EXPECT_EQ(pass(barrier), 0);
    EXPECT_EQ(other.join(), 0);
  }
}

// As in Python, where the action runs under the barrier's lock.
TEST(Barrier, KnowsNoDeadlineWhileTheActionRuns) {
  Barrier barrier(2);
  const auto arrive = [&](std::chrono::milliseconds timeout) {
    return ForkedChild([&barrier, timeout] {
      try {
        (void)barrier.wait_for(timeout);
        return 0;
      } catch (const BrokenBarrier&) {
        return 1;
      }
    });
  };
  ForkedChild first = arrive(500ms);
  ASSERT_TRUE(wait_until_waiting(barrier, 1));
  std::optional<ForkedChild> newcomer;
  Barrier acting = barrier;
  acting.set_action([&] {
    newcomer.emplace(arrive(500ms));
    const auto begin = std::chrono::steady_clock::now();
    while (testing::seconds_since(begin) < 0.6) std::this_thread::yield();
    EXPECT_FALSE(first.ended());
    EXPECT_FALSE(newcomer->ended());
  });
  EXPECT_EQ(acting.wait(), 1u);
  EXPECT_EQ(first.join(), 0);
  EXPECT_EQ(pass(barrier), 0);  // with the newcomer, whose time begins now
  EXPECT_EQ(newcomer->join(), 0);
}

TEST(BarrierDeath, OfOneThatWaitsIsSeenByWhoLooks) {
  Barrier barrier(3);
  ForkedChild victim([&] { (void)barrier.wait(); });
  ASSERT_TRUE(wait_until_waiting(barrier, 1));
  victim.kill(SIGKILL);
  EXPECT_EQ(victim.join(), -SIGKILL);
  EXPECT_TRUE(wait_until_waiting(barrier, 0));
  EXPECT_TRUE(testing::wait_until([&] { return barrier.broken(); }));
}

TEST(BarrierDeath, OfOneThatWaitsBreaksIt) {
  Barrier barrier(3);
  ForkedChild victim([&] { (void)barrier.wait(); });
  ForkedChild other([&] { return pass(barrier); });
  ASSERT_TRUE(wait_until_waiting(barrier, 2));
  victim.kill(SIGKILL);
  EXPECT_EQ(victim.join(), -SIGKILL);
  EXPECT_EQ(other.join(), 1);
  EXPECT_TRUE(barrier.broken());
}

// The best of several tries: the machine may be busy.
TEST(BarrierDeath, OfOneThatWaitsIsKnownWithinATenthOfASecond) {
  double best = 1;
  for (int i = 0; i < 20 && best >= 0.1; ++i) {
    Barrier barrier(3);
    SharedPage<std::atomic<std::int64_t>> heard;
    const auto now = [] { return std::chrono::steady_clock::now().time_since_epoch().count(); };
    ForkedChild victim([&] { (void)barrier.wait(); });
    ForkedChild other([&] {
      const int result = pass(barrier);
      *heard = now();
      return result;
    });
    ASSERT_TRUE(wait_until_waiting(barrier, 2));
    victim.kill(SIGKILL);
    EXPECT_EQ(victim.join(), -SIGKILL);
    const std::int64_t dead = now();
    EXPECT_EQ(other.join(), 1);
    best = std::min(best, 1e-9 * static_cast<double>(*heard - dead));
  }
  EXPECT_LT(best, 0.1);
}

TEST(BarrierDeath, InTheActionBreaksIt) {
  Barrier barrier(2);
  ForkedChild other([&] { return pass(barrier); });
  ASSERT_TRUE(wait_until_waiting(barrier, 1));
  ForkedChild victim([&] {
    barrier.set_action([] { ::raise(SIGKILL); });
    (void)barrier.wait();
  });
  EXPECT_EQ(victim.join(), -SIGKILL);
  EXPECT_EQ(other.join(), 1);
}

// At each step the other one passes or is told: it does not hang, and after a reset all is well.
TEST(BarrierDeath, AtEachStepHarmsNobody) {
#if !POLYPROC_FAIL_POINTS
  GTEST_SKIP() << "no fail points in this build";
#endif
  for (const char* point : {"barrier.before_wake", "barrier.before_sleep", "barrier.acting",
                            "transaction.logged", "transaction.before_commit", "transaction.committed"}) {
    for (std::uint32_t passage = 1; passage <= 5; ++passage) {
      Barrier barrier(2);
      ForkedChild other([&] {
        while (pass(barrier) == 0) continue;
      });
      ForkedChild victim([&] {
        if (passage % 2 == 1 || std::string_view(point) == "barrier.acting") barrier.set_action([] {});
        os::arm_fail_point(point, passage);
        for (;;) (void)barrier.wait();
      });
      EXPECT_EQ(victim.join(), -SIGKILL) << point << passage;
      EXPECT_TRUE(!other.ended() || barrier.broken());
      // One that had come to a new round by then waits for a party that never will.
      if (testing::wait_until([&] { return other.ended() || barrier.n_waiting() == 1; }) && !other.ended())
        barrier.abort();
      EXPECT_EQ(other.join(), 0) << point << passage;
      barrier.reset();
      ForkedChild again([&] { return pass(barrier); });
      EXPECT_EQ(pass(barrier), 0) << point << passage;
      EXPECT_EQ(again.join(), 0);
    }
  }
}

}  // namespace
}  // namespace polyproc
