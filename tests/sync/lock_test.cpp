// SPDX-License-Identifier: MIT
// Lock and RLock among living threads and processes.
#include <polyproc/sync/lock.hpp>

#include <gtest/gtest.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/os/error.hpp>

#include <atomic>
#include <chrono>
#include <csignal>
#include <mutex>
#include <sstream>
#include <thread>
#include <utility>
#include <vector>

#include "support/forked_child.hpp"

namespace polyproc {
namespace {

using namespace std::chrono_literals;
using testing::ForkedChild;
using testing::SharedPage;

TEST(Lock, WorksWithScopedLockAndUniqueLock) {
  Lock a;
  RLock b;
  {
    const std::scoped_lock both(a, b);
    EXPECT_TRUE(a.locked());
    EXPECT_TRUE(b.locked());
  }
  EXPECT_FALSE(a.locked());
  std::unique_lock<Lock> unique(a, std::defer_lock);
  EXPECT_TRUE(unique.try_lock_for(1ms));
  unique.unlock();
  EXPECT_TRUE(unique.try_lock_until(std::chrono::system_clock::now() + 1ms));
  unique.release();
  a.unlock();
  EXPECT_FALSE(b.locked());
}

TEST(Lock, HasPythonsNames) {
  Lock lock;
  EXPECT_TRUE(lock.acquire());
  EXPECT_FALSE(lock.acquire(false));
  EXPECT_FALSE(lock.acquire(true, 5ms));
  EXPECT_TRUE(lock.locked());
  lock.release();
  EXPECT_FALSE(lock.locked());
}

TEST(Lock, IsNotRecursive) {
  Lock lock;
  lock.lock();
  EXPECT_FALSE(lock.try_lock());
  lock.unlock();
}

TEST(Lock, TimesOutAtTheDeadlineAndNotBefore) {
  Lock lock;
  lock.lock();
  const auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(lock.try_lock_for(60ms));
  const double took = testing::seconds_since(start);
  EXPECT_GE(took, 0.060);
  EXPECT_LT(took, 1.0);
  lock.unlock();
}

TEST(Lock, MayBeReleasedByAnotherThreadOrProcess) {
  Lock lock;
  lock.lock();
  std::thread([&] { lock.unlock(); }).join();
  EXPECT_FALSE(lock.locked());
  lock.lock();
  ForkedChild child([&] { lock.release(); });
  EXPECT_EQ(child.join(), 0);
  EXPECT_TRUE(lock.try_lock());
  lock.unlock();
}

TEST(Lock, ReleasingAFreeOneIsAUsageError) {
  Lock lock;
  EXPECT_THROW(lock.release(), UsageError);
  RLock rlock;
  EXPECT_THROW(rlock.release(), UsageError);
}

TEST(RLock, IsRecursiveAndCounts) {
  RLock lock;
  lock.lock();
  EXPECT_TRUE(lock.try_lock());
  lock.lock();
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(lock.locked());
    lock.unlock();
  }
  EXPECT_FALSE(lock.locked());
}

TEST(RLock, MayNotBeReleasedOrReenteredByOthers) {
  RLock lock;
  lock.lock();
  std::thread([&] {
    EXPECT_THROW(lock.release(), UsageError);
    EXPECT_FALSE(lock.try_lock());
  }).join();
  ForkedChild child([&] {
    bool refused = false;
    try {
      lock.release();
    } catch (const UsageError&) {
      refused = true;
    }
    return refused && !lock.try_lock() ? 0 : 1;
  });
  EXPECT_EQ(child.join(), 0);
  lock.unlock();
}

TEST(Lock, CountsExactlyAmongProcessesAndThreads) {
  Lock lock;
  RLock rlock;
  SharedPage<std::pair<long, long>> sums;
  const auto work = [&] {
    for (int i = 0; i < 3000; ++i) {
      {
        const std::scoped_lock guard(lock);
        sums->first = sums->first + 1;
      }
      const std::scoped_lock guard(rlock, lock);
      const std::scoped_lock again(rlock);
      sums->second = sums->second + 1;
    }
  };
  ForkedChild first(work);
  ForkedChild second([&] {
    std::thread other(work);
    work();
    other.join();
  });
  work();
  EXPECT_EQ(first.join(), 0);
  EXPECT_EQ(second.join(), 0);
  EXPECT_EQ(sums->first, 12000);
  EXPECT_EQ(sums->second, 12000);
}

TEST(Lock, AWaiterIsWokenByTheReleaseOfAnotherProcess) {
  Lock lock;
  lock.lock();
  ForkedChild waiter([&] {
    lock.lock();
    lock.unlock();
  });
  ASSERT_TRUE(testing::wait_until_asleep(waiter.pid()));
  const auto start = std::chrono::steady_clock::now();
  lock.unlock();
  EXPECT_EQ(waiter.join(), 0);
  EXPECT_LT(testing::seconds_since(start), 1.0);
}

TEST(Lock, SignalsDuringAWaitDoNotEndIt) {
  Lock lock;
  lock.lock();
  struct sigaction action {};
  action.sa_handler = [](int) {};
  ::sigaction(SIGUSR1, &action, nullptr);
  ForkedChild waiter([&] { return lock.try_lock_for(20s) ? (lock.unlock(), 0) : 1; });
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(testing::wait_until_asleep(waiter.pid()));
    waiter.kill(SIGUSR1);
  }
  EXPECT_FALSE(waiter.ended());
  lock.unlock();
  EXPECT_EQ(waiter.join(), 0);
}

TEST(Lock, CopiesNameTheSameLockAndEmptyHandlesAreRefused) {
  Lock lock;
  Lock copy = lock;
  EXPECT_EQ(copy, lock);
  EXPECT_EQ(copy.handle(), lock.handle());
  copy.lock();
  EXPECT_FALSE(lock.try_lock());
  copy.unlock();
  Lock moved = std::move(copy);
  EXPECT_THROW(copy.lock(), UsageError);  // NOLINT: the moved-from state is the subject
  EXPECT_THROW((void)copy.handle(), UsageError);
  moved.close();
  EXPECT_THROW(moved.release(), UsageError);
  EXPECT_THROW((void)moved.locked(), UsageError);
  lock.lock();
  lock.unlock();
}

TEST(Lock, IsFoundByNameInANamedArenaAndOnlyAsItsKind) {
  {
    const Arena arena = Arena::create("locks");
    Lock lock(arena, "gate");
    lock.lock();
    Lock same(Arena::open("locks"), "gate");
    EXPECT_FALSE(same.try_lock());
    lock.unlock();
    EXPECT_THROW(RLock(arena, "gate"), TypeMismatch);
    EXPECT_THROW((void)RLock::from_block(lock.block()), TypeMismatch);
    EXPECT_EQ(Lock::from_block(lock.block()), lock);
  }
  Arena::remove("locks");
}

TEST(Lock, AForkWhileAnotherThreadHoldsItLeavesItUsable) {
  Lock lock;
  std::atomic<bool> stop{false};
  std::thread holder([&] {
    while (!stop) {
      const std::scoped_lock guard(lock);
    }
  });
  for (int i = 0; i < 20; ++i) {
    ForkedChild child([&] { return lock.try_lock_for(10s) ? (lock.unlock(), 0) : 1; });
    EXPECT_EQ(child.join(), 0);
  }
  stop = true;
  holder.join();
}

TEST(Lock, PrintsItsState) {
  Lock lock;
  std::ostringstream out;
  out << lock << ' ';
  lock.lock();
  out << lock;
  lock.unlock();
  EXPECT_EQ(out.str(), "<Lock, free> <Lock, held by process " + std::to_string(::getpid()) + ">");
}

}  // namespace
}  // namespace polyproc
