// SPDX-License-Identifier: MIT
// Who has waited for a lock for 10 ms stands in an order: nobody who comes later passes it, and the dead in it hold up nobody.
#include <polyproc/sync/condition.hpp>
#include <polyproc/sync/lock.hpp>

#include <gtest/gtest.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/shared/value.hpp>

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

#include "support/forked_child.hpp"
#include "support/full_arena.hpp"
#include "support/kill.hpp"
#include "sync/lock_state.hpp"

namespace polyproc {
namespace {

using namespace std::chrono_literals;
using testing::ForkedChild;
using testing::SharedPage;

const LockState& state_of(const LockHandle& lock) {
  return *reinterpret_cast<const LockState*>(lock.block().data());
}

int count_in_order(const LockHandle& lock) {
  const Transaction section(lock.block().core());
  int count = 0;
  (void)find_waiter(section.region(), state_of(lock).waiters, [&](const Waiter&) { return ++count < 0; });
  return count;
}

[[nodiscard]] bool wait_for_order(const LockHandle& lock, int count) {
  return testing::wait_until([&] { return count_in_order(lock) == count; });
}

template <class AnyLock>
class LockOrder : public ::testing::Test {
 protected:
  ~LockOrder() override {
    EXPECT_EQ(count_in_order(lock_), 0);
    EXPECT_FALSE(lock_.locked());
    EXPECT_TRUE(lock_.try_lock());
    lock_.unlock();
  }
  AnyLock lock_;
};
using Locks = ::testing::Types<Lock, RLock>;
TYPED_TEST_SUITE(LockOrder, Locks);

// While others stand in order, this process tries without a pause.
TYPED_TEST(LockOrder, IsKeptAgainstWhoComesLater) {
  this->lock_.lock();
  SharedPage<std::atomic<int>> order;
  std::vector<ForkedChild> waiting;
  for (int i = 0; i < 3; ++i) {
    waiting.emplace_back([&, i] {
      this->lock_.lock();
      const bool right = order->fetch_add(1) == i;
      this->lock_.unlock();
      return right ? 0 : 1;
    });
    ASSERT_TRUE(wait_for_order(this->lock_, i + 1));
  }
  this->lock_.unlock();
  while (!this->lock_.try_lock()) {
  }
  EXPECT_EQ(order->load(), 3);
  this->lock_.unlock();
  for (auto& child : waiting) EXPECT_EQ(child.join(), 0);
}

TYPED_TEST(LockOrder, PassesTheDead) {
  this->lock_.lock();
  ForkedChild first([&] { this->lock_.lock(); });
  ASSERT_TRUE(wait_for_order(this->lock_, 1));
  ForkedChild second([&] {
    this->lock_.lock();
    this->lock_.unlock();
  });
  ASSERT_TRUE(wait_for_order(this->lock_, 2));
  first.kill(SIGKILL);
  EXPECT_EQ(first.join(), -SIGKILL);
  this->lock_.unlock();
  EXPECT_EQ(second.join(), 0);
}

TYPED_TEST(LockOrder, OfTheDeadAloneHoldsUpNobody) {
  for (const bool waits : {true, false}) {
    this->lock_.lock();
    ForkedChild child([&] { this->lock_.lock(); });
    ASSERT_TRUE(wait_for_order(this->lock_, 1));
    child.kill(SIGKILL);
    EXPECT_EQ(child.join(), -SIGKILL);
    this->lock_.unlock();
    EXPECT_FALSE(this->lock_.locked());
    EXPECT_TRUE(waits ? this->lock_.try_lock_for(20s) : this->lock_.try_lock());
    this->lock_.unlock();
  }
}

TYPED_TEST(LockOrder, IsLeftAtTheDeadline) {
  this->lock_.lock();
  ForkedChild child([&] { return this->lock_.try_lock_for(60ms) ? 1 : 0; });
  ASSERT_TRUE(wait_for_order(this->lock_, 1));
  EXPECT_EQ(child.join(), 0);
  EXPECT_EQ(count_in_order(this->lock_), 0);
  this->lock_.unlock();
}

TYPED_TEST(LockOrder, TellsOfADeadHolder) {
  ForkedChild holder([&] {
    this->lock_.lock();
    for (;;) ::pause();
  });
  ASSERT_TRUE(testing::wait_until([&] { return this->lock_.locked(); }));
  SharedPage<std::atomic<int>> told;
  std::vector<ForkedChild> waiting;
  for (int i = 0; i < 2; ++i) {
    waiting.emplace_back([&] {
      if (this->lock_.acquire_checked() == Acquired::owner_died) ++*told;
      this->lock_.unlock();
    });
  }
  ASSERT_TRUE(wait_for_order(this->lock_, 2));
  holder.kill(SIGKILL);
  for (auto& child : waiting) EXPECT_EQ(child.join(), 0);
  EXPECT_EQ(told->load(), 1);
  EXPECT_EQ(holder.join(), -SIGKILL);
}

// At each step of taking, and of passing on, the one that is killed is told of, or leaves the lock to the next.
TYPED_TEST(LockOrder, SurvivesDeathsAtEachStep) {
  POLYPROC_NEEDS_FAIL_POINTS();
  for (const char* point : {"lock.sleeps_in_turn", "lock.turn_left", "lock.before_wake_all", "lock.reserved",
                            "lock.acquired", "lock.before_release"}) {
    this->lock_.lock();
    ForkedChild victim([&] {
      os::arm_fail_point(point, 1);
      this->lock_.lock();
      ForkedChild next([&] { this->lock_.lock(), this->lock_.unlock(); });
      EXPECT_TRUE(testing::wait_until([&] { return count_in_order(this->lock_) >= 1; }));
      this->lock_.unlock();
      return next.join();
    });
    ASSERT_TRUE(testing::wait_until([&] { return count_in_order(this->lock_) == 1 || victim.ended(); }));
    ForkedChild other([&] {
      (void)this->lock_.acquire_checked();
      this->lock_.unlock();
    });
    ASSERT_TRUE(testing::wait_until([&] { return count_in_order(this->lock_) >= 1 || other.ended(); }));
    this->lock_.unlock();
    EXPECT_EQ(other.join(), 0) << point;
    EXPECT_EQ(victim.join(), -SIGKILL) << point;
    if (this->lock_.acquire_checked() != Acquired::timed_out) this->lock_.unlock();
  }
}

// The lock of a condition, of a value: freed with dead waiters in its order.
TEST(LockOrderMemory, IsFreedWithTheDeadInIt) {
  const Arena arena = Arena::anonymous({.limit = 16u << 20, .reserve = 0});
  { const Value<int> first(arena, 1); }  // with what the arena needs for itself
  const std::uint64_t before = arena.stats().blocks;
  {
    Value<int> value(arena, 1);
    Condition condition(arena);
    RLock& lock = value.get_lock();
    lock.lock();
    condition.lock();
    ForkedChild first([&] { lock.lock(); });
    ForkedChild second([&] { condition.lock(); });
    ASSERT_TRUE(wait_for_order(lock, 1));
    ASSERT_TRUE(testing::wait_until([&] {
      const Transaction section(arena.core());
      return reinterpret_cast<const LockState*>(condition.block().data())->waiters.first != 0;
    }));
    for (ForkedChild* each : {&first, &second}) {
      each->kill(SIGKILL);
      EXPECT_EQ(each->join(), -SIGKILL);
    }
    lock.unlock();
    condition.unlock();
  }
  arena.recover();
  EXPECT_TRUE(arena.check().clean());
  EXPECT_EQ(arena.stats().blocks, before);
}

// A full arena has no room for a place in the order: one waits without.
TEST(LockOrderMemory, IsNotNeededToWait) {
  const Arena arena = Arena::anonymous({.limit = 1u << 20, .reserve = 0});
  Lock lock(arena);
  lock.lock();
  SharedPage<std::atomic<bool>> timed_out;
  ForkedChild child([&] {
    testing::use_up(arena);
    *timed_out = !lock.try_lock_for(5 * kLockPatience);
    return lock.try_lock_for(20s) ? (lock.unlock(), 0) : 1;
  });
  ASSERT_TRUE(testing::wait_until([&] { return *timed_out || child.ended(); }));
  EXPECT_EQ(count_in_order(lock), 0);
  lock.unlock();
  EXPECT_EQ(child.join(), 0);
}

// Nor to find out that those who have a place are dead.
TEST(LockOrderMemory, IsNotNeededToPassTheDead) {
  const Arena arena = Arena::anonymous({.limit = 1u << 20, .reserve = 0});
  Lock lock(arena);
  lock.lock();
  ForkedChild first([&] { lock.lock(); });
  ASSERT_TRUE(wait_for_order(lock, 1));
  SharedPage<std::atomic<bool>> comes;
  ForkedChild child([&] {
    testing::use_up(arena);
    *comes = true;
    return lock.try_lock_for(20s) ? (lock.unlock(), 0) : 1;
  });
  ASSERT_TRUE(testing::wait_until([&] { return comes->load(); }));
  ASSERT_TRUE(testing::wait_until_asleep(child.pid()));
  first.kill(SIGKILL);
  EXPECT_EQ(first.join(), -SIGKILL);
  const auto begin = std::chrono::steady_clock::now();
  lock.unlock();
  EXPECT_EQ(child.join(), 0);
  EXPECT_LT(testing::seconds_since(begin), 10.0);
}

// The lock is reserved for it: the others wait, and sleep.
TYPED_TEST(LockOrder, IsKeptForOneThatIsStopped) {
  this->lock_.lock();
  ForkedChild first([&] { this->lock_.lock(), this->lock_.unlock(); });
  ASSERT_TRUE(wait_for_order(this->lock_, 1));
  std::vector<ForkedChild> others;
  for (int i = 0; i < 2; ++i) {
    others.emplace_back([&] {
      this->lock_.lock();
      this->lock_.unlock();
      rusage used{};
      ::getrusage(RUSAGE_SELF, &used);
      return used.ru_nvcsw + used.ru_nivcsw < 500 ? 0 : 1;
    });
    ASSERT_TRUE(wait_for_order(this->lock_, i + 2));
  }
  first.kill(SIGSTOP);
  this->lock_.unlock();
  EXPECT_FALSE(this->lock_.try_lock_for(400ms));
  first.kill(SIGCONT);
  EXPECT_EQ(first.join(), 0);
  for (auto& child : others) EXPECT_EQ(child.join(), 0);
}

// Threads that hold the lock for long and take it again at once: each gets its turn.
TEST(LockOrderThreads, LetsAllHaveTheirTurn) {
  Lock lock;
  std::vector<int> had(4, 0);
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < had.size(); ++t) {
    threads.emplace_back([&, t] {
      while (!stop.load()) {
        const std::scoped_lock guard(lock);
        ++had[t];
        if (std::all_of(had.begin(), had.end(), [](int times) { return times >= 5; })) stop = true;
        std::this_thread::sleep_for(1ms);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const int times : had) EXPECT_GE(times, 5);
}

}  // namespace
}  // namespace polyproc
