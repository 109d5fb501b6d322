// SPDX-License-Identifier: MIT
// Semaphores: permits are exact, nobody waits for ever beside others who take, and deaths lose no more than is said.
#include <gtest/gtest.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>
#include <polyproc/sync/semaphore.hpp>
#include <polyproc/sync/wait.hpp>
#include <polyproc/sync/watcher.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "os/poll.hpp"
#include "support/forked_child.hpp"
#include "support/full_arena.hpp"
#include "support/kill.hpp"
#include "sync/sleepers.hpp"
#include "sync/sync_states.hpp"

namespace polyproc {
namespace {

using namespace std::chrono_literals;
using testing::ForkedChild;
using testing::SharedPage;

const SemaphoreState& state_of(const SemaphoreHandle& semaphore) {
  return *reinterpret_cast<const SemaphoreState*>(semaphore.block().data());
}
[[nodiscard]] bool wait_until_in_turn(const SemaphoreHandle& semaphore, int count) {
  return testing::wait_until([&] {
    const Transaction section(semaphore.block().core());
    int found = 0;
    (void)find_waiter(section.region(), state_of(semaphore).waiters,
                      [&](const Waiter&) { return ++found < 0; });
    return found == count;
  });
}
bool is_closed(const SemaphoreHandle& semaphore) {
  return (state_of(semaphore).word.load() & kHandedOver) != 0;
}
// A process that had a permit and is dead: by hold(), or told that its turn has come.
void die_with_permit(Semaphore& semaphore, bool in_turn) {
  if (in_turn) {
    ForkedChild victim([&] { (void)semaphore.acquire(); });
    ASSERT_TRUE(wait_until_in_turn(semaphore, 1));
    victim.kill(SIGSTOP);
    semaphore.release();
    victim.kill(SIGKILL);
    EXPECT_EQ(victim.join(), -SIGKILL);
  } else {
    semaphore.release();
    ForkedChild victim([&] {
      const auto permit = semaphore.hold();
      ::raise(SIGKILL);
    });
    EXPECT_EQ(victim.join(), -SIGKILL);
  }
  EXPECT_EQ(semaphore.get_value(), 0u);
}

TEST(Semaphore, CountsItsPermits) {
  Semaphore semaphore(2);
  EXPECT_TRUE(semaphore.acquire());
  EXPECT_TRUE(semaphore.try_lock());
  EXPECT_TRUE(semaphore.locked());
  EXPECT_FALSE(semaphore.acquire(false));
  EXPECT_FALSE(semaphore.acquire(true, 5ms));
  EXPECT_FALSE(semaphore.try_lock_for(30ms));  // in turn, at last
  semaphore.release(3);
  EXPECT_EQ(semaphore.get_value(), 3u);
  { const std::scoped_lock guard(semaphore); }
  EXPECT_EQ(semaphore.get_value(), 3u);
  EXPECT_THROW(semaphore.release(0), InvalidArgument);
  EXPECT_THROW(semaphore.release(~std::uint64_t{0}), UsageError);
  EXPECT_THROW(Semaphore(~std::uint64_t{0}), InvalidArgument);
}

TEST(BoundedSemaphore, RefusesMoreThanItBeganWith) {
  BoundedSemaphore semaphore(2);
  EXPECT_THROW(semaphore.release(), UsageError);
  semaphore.lock();
  EXPECT_THROW(semaphore.release(2), UsageError);
  semaphore.release();
  EXPECT_EQ(semaphore.get_value(), 2u);
  EXPECT_THROW((void)Semaphore::from_block(semaphore.block()), TypeMismatch);
  EXPECT_EQ(BoundedSemaphore::from_block(semaphore.block()), semaphore);
}

TEST(Semaphore, LetsInAsManyAsItHasPermits) {
  constexpr std::uint64_t kPermits = 2;
  BoundedSemaphore semaphore(kPermits);
  SharedPage<std::atomic<int>> inside;
  std::atomic<bool> too_many{false};
  const auto work = [&] {
    for (int i = 0; i < 2000; ++i) {
      const std::scoped_lock guard(semaphore);
      if (++*inside > static_cast<int>(kPermits)) return 1;
      --*inside;
    }
    return 0;
  };
  std::vector<ForkedChild> children;
  for (int i = 0; i < 3; ++i) children.emplace_back(work);
  std::thread other([&] { too_many = work() != 0; });
  EXPECT_EQ(work(), 0);
  other.join();
  EXPECT_FALSE(too_many);
  for (auto& child : children) EXPECT_EQ(child.join(), 0);
  EXPECT_EQ(semaphore.get_value(), kPermits);
}

// Two processes that pass the permit to each other all the time, and one that comes to wait.
TEST(Semaphore, IsWonByWhoWaitsBesideOthersWhoTakeItAllTheTime) {
  Semaphore semaphore(1);
  SharedPage<std::atomic<bool>> done;
  std::vector<ForkedChild> greedy;
  for (int i = 0; i < 2; ++i) {
    greedy.emplace_back([&] {
      while (!*done) {
        if (semaphore.try_lock_for(20s)) semaphore.unlock();
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(semaphore.try_lock_for(20s));
    semaphore.unlock();
  }
  *done = true;
  for (auto& child : greedy) EXPECT_EQ(child.join(), 0);
  EXPECT_EQ(semaphore.get_value(), 1u);
}

// The bound: who has lost patience is passed by nobody who comes later.
TEST(Semaphore, IsHandedOverInTurn) {
  Semaphore semaphore(0);
  const auto* state = reinterpret_cast<const SemaphoreState*>(semaphore.block().data());
  SharedPage<std::atomic<int>> order;
  std::vector<ForkedChild> waiting;
  for (int i = 0; i < 3; ++i) {
    const std::uint64_t before = state->waiters.first;
    waiting.emplace_back([&, i] { return semaphore.try_lock_for(20s) && order->fetch_add(1) == i ? 0 : 1; });
    ASSERT_TRUE(testing::wait_until([&] {
      Transaction section(semaphore.block().core());
      int count = 0;
      (void)find_waiter(section.region(), state->waiters, [&](const Waiter&) { return ++count > i; });
      return count == i + 1;
    })) << before;
  }
  for (int i = 0; i < 3; ++i) {
    semaphore.release();
    EXPECT_EQ(waiting[static_cast<std::size_t>(i)].join(), 0) << i;
  }
  EXPECT_FALSE(semaphore.try_lock());
  EXPECT_EQ(state->waiters.first, 0u);
}

TEST(Semaphore, JoinsWait) {
  Semaphore none(0), some(0);
  ForkedChild child([&] { some.release(); });
  EXPECT_EQ(wait({none, some}), std::vector<std::size_t>{1});
  EXPECT_EQ(child.join(), 0);
}

TEST(SemaphorePermit, IsGivenBackOnceByItsOwner) {
  BoundedSemaphore semaphore(1);
  {
    auto permit = semaphore.hold();
    EXPECT_EQ(semaphore.get_value(), 0u);
    EXPECT_FALSE(semaphore.hold_until(Deadline::after(5ms)));
    permit.release();
    permit.release();
    EXPECT_EQ(semaphore.get_value(), 1u);
    permit = semaphore.hold();
  }
  EXPECT_EQ(semaphore.get_value(), 1u);
}

TEST(SemaphoreDeath, OfOneThatHoldsGivesItsPermitBack) {
  Semaphore semaphore(1);
  for (int i = 0; i < 3; ++i) {
    ForkedChild child([&] {
      const auto permit = semaphore.hold();
      ::raise(SIGKILL);
    });
    EXPECT_EQ(child.join(), -SIGKILL);
    EXPECT_TRUE(semaphore.try_lock_for(20s));
    semaphore.unlock();
  }
  EXPECT_EQ(semaphore.get_value(), 1u);
}

TEST(SemaphoreDeath, OfAWaiterInTurnPassesThePermitOn) {
  Semaphore semaphore(0);
  ForkedChild victim([&] { (void)semaphore.acquire(); });
  const auto* state = reinterpret_cast<const SemaphoreState*>(semaphore.block().data());
  ASSERT_TRUE(testing::wait_until(
      [&] { return std::atomic_ref(const_cast<std::uint64_t&>(state->waiters.first)) != 0; }));
  ForkedChild next([&] { return semaphore.try_lock_for(20s) ? 0 : 1; });
  victim.kill(SIGSTOP);
  semaphore.release();  // to the one that is stopped
  victim.kill(SIGKILL);
  EXPECT_EQ(victim.join(), -SIGKILL);
  EXPECT_EQ(next.join(), 0);
  EXPECT_EQ(semaphore.get_value(), 0u);
}

TEST(SemaphoreDeath, OfOneThatHadAPermitIsSeenByAllWhoWaitOrTry) {
  for (const bool in_turn : {false, true}) {
    Semaphore semaphore(0), none(0);
    die_with_permit(semaphore, in_turn);
    EXPECT_TRUE(semaphore.try_lock()) << in_turn;
    die_with_permit(semaphore, in_turn);
    EXPECT_EQ(wait_for({none, semaphore}, 0ms), std::vector<std::size_t>{1}) << in_turn;
    EXPECT_TRUE(semaphore.try_lock());
    os::Fd read, write;
    std::tie(read, write) = [] {
      int ends[2];
      EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
      return std::pair(os::Fd(ends[0]), os::Fd(ends[1]));
    }();
    for (const bool with_descriptor : {false, true}) {
      die_with_permit(semaphore, in_turn);
      EXPECT_EQ(with_descriptor ? wait_for({read, semaphore}, 20s) : wait_for({none, semaphore}, 20s),
                std::vector<std::size_t>{1});
      EXPECT_TRUE(semaphore.try_lock());
    }
    Watcher watcher({none, semaphore});
    EXPECT_TRUE(watcher.ready().empty());
    die_with_permit(semaphore, in_turn);
    std::vector<pollfd> polled{{watcher.fileno(), POLLIN, 0}};
    EXPECT_TRUE(testing::wait_until([&] {  // it may have become readable for the permit before the death
      EXPECT_GT(os::poll_until(polled, Deadline::after(20s), "the test"), 0);
      return watcher.ready() == std::vector<std::size_t>{1};
    }));
  }
}

// While somebody waits for it already.
TEST(SemaphoreDeath, OfAHolderWakesWhoWaitsForManyThings) {
  Semaphore semaphore(1), none(0);
  ForkedChild victim([&] {
    const auto permit = semaphore.hold();
    for (;;) ::pause();
  });
  ASSERT_TRUE(testing::wait_until([&] { return semaphore.get_value() == 0; }));
  ForkedChild waiter([&] { return wait_for({none, semaphore}, 20s) == std::vector<std::size_t>{1} ? 0 : 1; });
  ASSERT_TRUE(testing::wait_until_asleep(waiter.pid()));
  victim.kill(SIGKILL);
  EXPECT_EQ(waiter.join(), 0);
  EXPECT_EQ(victim.join(), -SIGKILL);
}

TEST(SemaphorePermit, OfAParentIsNotGivenBackByItsChild) {
  Semaphore semaphore(1);
  auto permit = semaphore.hold();
  ForkedChild child([&] { const auto copy = std::move(permit); });
  EXPECT_EQ(child.join(), 0);
  EXPECT_EQ(semaphore.get_value(), 0u);
  permit.release();
  EXPECT_EQ(semaphore.get_value(), 1u);
}

// What is refused leaves the short way open when nobody waits.
TEST(BoundedSemaphore, IsNotClosedByARefusedRelease) {
  BoundedSemaphore semaphore(1);
  semaphore.lock();
  ForkedChild waiter([&] { (void)semaphore.acquire(); });
  ASSERT_TRUE(wait_until_in_turn(semaphore, 1));
  waiter.kill(SIGKILL);
  EXPECT_EQ(waiter.join(), -SIGKILL);
  EXPECT_TRUE(is_closed(semaphore));
  EXPECT_THROW(semaphore.release(2), UsageError);
  EXPECT_TRUE(testing::wait_until([&] {
    EXPECT_THROW(semaphore.release(2), UsageError);
    return !is_closed(semaphore);
  }));
}

TEST(Semaphore, IsNotClosedByAFullArena) {
  const Arena arena = Arena::anonymous({.limit = 1u << 20, .reserve = 0});
  Semaphore semaphore(0, arena);
  ForkedChild child([&] {
    testing::use_up(arena);
    EXPECT_THROW((void)semaphore.try_lock_for(20s), ArenaFull);
    return is_closed(semaphore) ? 1 : 0;
  });
  EXPECT_EQ(child.join(), 0);
}

TEST(SemaphoreDeath, AtEachStepLeavesExactPermits) {
#if !POLYPROC_FAIL_POINTS
  GTEST_SKIP() << "no fail points in this build";
#endif
  for (const char* point : {"semaphore.closed", "semaphore.served", "semaphore.told", "transaction.logged",
                            "transaction.before_commit", "transaction.committed"}) {
    for (std::uint32_t passage = 1; passage <= 6; ++passage) {
      Semaphore semaphore(3);
      EXPECT_TRUE(testing::killed_at(
          point,
          [&] {
            for (int i = 0; i < 50; ++i) {
              auto one = semaphore.hold();
              const auto two = semaphore.hold();
            }
          },
          passage))
          << point << passage;
      // All three can be had.
      for (int i = 0; i < 3; ++i) EXPECT_TRUE(semaphore.try_lock_for(20s)) << point << passage;
      EXPECT_FALSE(semaphore.try_lock());
      semaphore.release(3);
      EXPECT_EQ(semaphore.get_value(), 3u) << point << passage;
    }
  }
}

// Who has given a permit the short way and dies before it wakes anybody: who sleeps finds it.
TEST(SemaphoreDeath, BetweenTheReleaseAndTheWakeUpLosesNoPermit) {
  POLYPROC_NEEDS_FAIL_POINTS();
  for (const char* point : {"semaphore.released", "sleepers.before_wake"}) {
    bool killed = false;
    for (int i = 0; i < 50 && !killed;
         ++i) {  // until it comes within the 10 ms for which one sleeps the short way
      Semaphore semaphore(0);
      ForkedChild victim([&] {
        while ((state_of(semaphore).sleepers.load() & kSleepersAsleep) == 0) ::sched_yield();
        os::arm_fail_point(point);
        semaphore.release();
      });
      ForkedChild waiter([&] { return semaphore.try_lock_for(20s) ? 0 : 1; });
      killed = victim.join() == -SIGKILL;
      EXPECT_EQ(waiter.join(), 0) << point;
      EXPECT_EQ(semaphore.get_value(), 0u) << point;
    }
    EXPECT_TRUE(killed) << point;
  }
}

// Who is told that its turn has come, and dies before acquire has taken the permit.
TEST(SemaphoreDeath, OfOneThatIsToldInTurnGivesThePermitBack) {
  POLYPROC_NEEDS_FAIL_POINTS();
  Semaphore semaphore(0);
  ForkedChild victim([&] {
    os::arm_fail_point("semaphore.told");
    (void)semaphore.acquire();
  });
  ASSERT_TRUE(wait_until_in_turn(semaphore, 1));
  ForkedChild next([&] { return semaphore.try_lock_for(20s) ? 0 : 1; });
  semaphore.release();
  EXPECT_EQ(victim.join(), -SIGKILL);
  EXPECT_EQ(next.join(), 0);
  EXPECT_EQ(semaphore.get_value(), 0u);
}

}  // namespace
}  // namespace polyproc
