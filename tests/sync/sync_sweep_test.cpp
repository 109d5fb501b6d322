// SPDX-License-Identifier: MIT
// A process killed after each machine instruction of what semaphores, conditions and barriers do: the survivors go on, permits are
// exact, and the arena is clean.
#include <gtest/gtest.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/sync/barrier.hpp>
#include <polyproc/sync/condition.hpp>
#include <polyproc/sync/event.hpp>
#include <polyproc/sync/semaphore.hpp>
#include <polyproc/sync/shared_lock.hpp>

#include <chrono>
#include <mutex>
#include <shared_mutex>

#include "support/sweep.hpp"

namespace polyproc {
namespace {

using namespace std::chrono_literals;
using testing::Death;
using testing::sweep;

class SweepSync : public ::testing::Test {
 protected:
  void expect_clean() {
    arena_.recover();
    EXPECT_TRUE(arena_.check().clean());
  }
  Arena arena_ = Arena::anonymous({.limit = 16u << 20, .reserve = 0});
};

TEST_F(SweepSync, EventSet) {
  Event event(arena_);
  EXPECT_GT(sweep({.operation = [&] { event.set(); },
                   .verify =
                       [&](const Death& death) {
                         EXPECT_TRUE(!death.completed || event.is_set());
                         event.clear();
                         expect_clean();
                       }}),
            10u);
}

TEST_F(SweepSync, SemaphoreTakenAndGiven) {
  Semaphore semaphore(2, arena_);
  EXPECT_GT(sweep({.operation = [&] { const auto permit = semaphore.hold(); },
                   .verify =
                       [&](const Death&) {
                         EXPECT_TRUE(semaphore.try_lock_for(1s));
                         EXPECT_TRUE(semaphore.try_lock_for(1s));
                         EXPECT_FALSE(semaphore.try_lock());
                         semaphore.release(2);
                         EXPECT_EQ(semaphore.get_value(), 2u);
                         expect_clean();
                       },
                   .stride = 11}),
            100u);
}

TEST_F(SweepSync, ConditionWaitAndNotify) {
  Condition condition(arena_);
  EXPECT_GT(sweep({.operation =
                       [&] {
                         const std::scoped_lock guard(condition);
                         condition.notify();
                         (void)condition.wait_for(0ms);
                       },
                   .verify =
                       [&](const Death&) {
                         if (condition.get_lock().acquire_checked(Deadline::after(1s)) == Acquired::timed_out)
                           ADD_FAILURE() << "its lock is lost";
                         condition.notify();  // nobody hears it
                         EXPECT_FALSE(condition.wait_for(0ms));
                         condition.unlock();
                         expect_clean();
                       },
                   .stride = 11}),
            100u);
}

TEST_F(SweepSync, BarrierPassed) {
  Barrier barrier(1, arena_);
  EXPECT_GT(sweep({.operation = [&] { (void)barrier.wait(); },
                   .verify =
                       [&](const Death&) {
                         try {
                           EXPECT_EQ(barrier.wait_for(1s), 0u);
                         } catch (const BrokenBarrier&) {  // it died between its arrival and its passing
                           barrier.reset();
                           EXPECT_EQ(barrier.wait_for(1s), 0u);
                         }
                         expect_clean();
                       },
                   .stride = 5}),
            50u);
}

TEST_F(SweepSync, SharedLockReadAndWritten) {
  SharedLock lock(arena_);
  EXPECT_GT(sweep({.operation =
                       [&] {
                         { const std::shared_lock reader(lock); }
                         const std::unique_lock writer(lock);
                       },
                   .verify =
                       [&](const Death& death) {
                         const Acquired got = lock.acquire_checked(Deadline::after(1s));
                         EXPECT_TRUE(death.completed ? got == Acquired::yes : got != Acquired::timed_out);
                         lock.unlock();
                         EXPECT_EQ(lock.readers(), 0u);
                         expect_clean();
                       },
                   .stride = 11}),
            100u);
}

TEST_F(SweepSync, BarrierLeftAtADeadline) {
  Barrier barrier(2, arena_);
  EXPECT_GT(sweep({.operation =
                       [&] {
                         try {
                           (void)barrier.wait_for(0ms);
                         } catch (const BrokenBarrier&) {
                         }
                       },
                   .verify =
                       [&](const Death&) {
                         barrier.reset();
                         EXPECT_EQ(barrier.n_waiting(), 0u);
                         EXPECT_FALSE(barrier.broken());
                         expect_clean();
                       },
                   .stride = 37}),
            100u);
}

}  // namespace
}  // namespace polyproc
