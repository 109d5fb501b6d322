// SPDX-License-Identifier: MIT
// Shared locks: readers together, writers alone, all in their turn, and what deaths mean to others.
#include <gtest/gtest.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>
#include <polyproc/sync/shared_lock.hpp>

#include <atomic>
#include <chrono>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "support/forked_child.hpp"
#include "sync/sync_states.hpp"

namespace polyproc {
namespace {

using namespace std::chrono_literals;
using testing::ForkedChild;
using testing::SharedPage;

[[nodiscard]] bool wait_until_listed(const SharedLock& lock, int count) {
  const auto* state = reinterpret_cast<const SharedLockState*>(lock.block().data());
  return testing::wait_until([&] {
    Transaction section(lock.block().core());
    int listed = 0;
    (void)find_waiter(section.region(), state->waiters, [&](const Waiter&) { return ++listed < 0; });
    return listed == count;
  });
}

TEST(SharedLock, IsHeldByReadersTogetherAndByAWriterAlone) {
  SharedLock lock;
  std::shared_lock reader(lock);
  ForkedChild other([&] {
    const std::shared_lock second(lock);
    return lock.readers() == 2 && !lock.try_lock() ? 0 : 1;
  });
  EXPECT_EQ(other.join(), 0);
  EXPECT_FALSE(lock.try_lock_for(5ms));
  reader.unlock();
  const std::unique_lock writer(lock);
  EXPECT_TRUE(lock.locked());
  ForkedChild third([&] { return lock.try_lock_shared() || lock.try_lock_shared_for(5ms) ? 1 : 0; });
  EXPECT_EQ(third.join(), 0);
}

TEST(SharedLock, IsReleasedByWhoHasIt) {
  SharedLock lock;
  EXPECT_THROW(lock.unlock(), UsageError);
  EXPECT_THROW(lock.unlock_shared(), UsageError);
  lock.lock_shared();
  EXPECT_THROW(lock.unlock(), UsageError);
  std::thread other([&] { EXPECT_THROW(lock.unlock_shared(), UsageError); });
  other.join();
  lock.unlock_shared();
  EXPECT_TRUE(lock.try_lock());
  lock.unlock();
}

TEST(SharedLock, KeepsWritersAlone) {
  SharedLock lock;
  struct Data {
    std::atomic<int> readers, writers, wrong;
    int value;
  };
  SharedPage<Data> data;
  const auto work = [&] {
    for (int i = 0; i < 500; ++i) {
      if (i % 4 == 0) {
        const std::unique_lock guard(lock);
        if (++data->writers != 1 || data->readers != 0) ++data->wrong;
        ++data->value;
        --data->writers;
      } else {
        const std::shared_lock guard(lock);
        ++data->readers;
        if (data->writers != 0) ++data->wrong;
        --data->readers;
      }
    }
  };
  ForkedChild one(work), two(work);
  std::thread other(work);
  work();
  other.join();
  EXPECT_EQ(one.join(), 0);
  EXPECT_EQ(two.join(), 0);
  EXPECT_EQ(data->wrong, 0);
  EXPECT_EQ(data->value, 4 * 125);
}

// A reader does not pass a writer that waits.
TEST(SharedLock, IsGivenInOrder) {
  SharedLock lock;
  SharedPage<std::atomic<int>> order;
  lock.lock_shared();
  ForkedChild writer([&] {
    const std::unique_lock guard(lock);
    return order->fetch_add(1);
  });
  ASSERT_TRUE(wait_until_listed(lock, 2));
  EXPECT_FALSE(lock.try_lock_shared());
  ForkedChild reader([&] {
    const std::shared_lock guard(lock);
    return order->fetch_add(1);
  });
  ASSERT_TRUE(wait_until_listed(lock, 3));
  EXPECT_EQ(lock.readers(), 1u);
  lock.unlock_shared();
  EXPECT_EQ(writer.join(), 0);
  EXPECT_EQ(reader.join(), 1);
}

TEST(SharedLockDeath, OfAReaderIsSilent) {
  SharedLock lock;
  ForkedChild reader([&] {
    lock.lock_shared();
    ::raise(SIGKILL);
  });
  EXPECT_EQ(reader.join(), -SIGKILL);
  EXPECT_TRUE(lock.try_lock_for(20s));
  lock.unlock();
}

TEST(SharedLockDeath, OfAWriterIsToldOnce) {
  SharedLock lock;
  const auto die = [&] {
    ForkedChild writer([&] {
      lock.lock();
      ::raise(SIGKILL);
    });
    EXPECT_EQ(writer.join(), -SIGKILL);
  };
  die();
  EXPECT_THROW(lock.lock_shared(), OwnerDied);
  EXPECT_TRUE(lock.try_lock_shared());
  lock.unlock_shared();
  die();
  EXPECT_EQ(lock.acquire_checked(), Acquired::owner_died);
  EXPECT_TRUE(lock.locked());
  lock.unlock();
  EXPECT_EQ(lock.acquire_checked(), Acquired::yes);
  lock.unlock();
}

// Who dies before it was let in has changed nothing: nobody is told of it.
TEST(SharedLockDeath, OfAWriterThatOnlyWaitedIsToldToNobody) {
  for (int round = 0; round < 20; ++round) {
    SharedLock lock;
    const auto& state = *reinterpret_cast<const SharedLockState*>(lock.block().data());
    const auto wait_until_listed = [&](int count) {
      return testing::wait_until([&] {
        Transaction section(lock.block().core());
        int listed = 0;
        (void)find_waiter(section.region(), state.waiters, [&](const Waiter&) { return ++listed == count; });
        return listed == count;
      });
    };
    lock.lock();
    ForkedChild victim([&] { lock.lock(); });
    ASSERT_TRUE(wait_until_listed(2));
    ForkedChild next([&] { return lock.acquire_checked(Deadline::after(20s)) == Acquired::yes ? 0 : 1; });
    ASSERT_TRUE(wait_until_listed(3));
    victim.kill(SIGKILL);
    EXPECT_EQ(victim.join(), -SIGKILL);
    lock.unlock();
    ASSERT_EQ(next.join(), 0) << round;
  }
}

TEST(SharedLockDeath, AtEachStepHarmsNobody) {
#if !POLYPROC_FAIL_POINTS
  GTEST_SKIP() << "no fail points in this build";
#endif
  for (const char* point :
       {"shared_lock.granted", "transaction.logged", "transaction.before_commit", "transaction.committed"}) {
    for (std::uint32_t passage = 1; passage <= 8; ++passage) {
      SharedLock lock;
      ForkedChild child([&] {
        os::arm_fail_point(point, passage);
        for (;;) {
          { const std::shared_lock reader(lock); }
          const std::unique_lock writer(lock);
        }
      });
      EXPECT_EQ(child.join(), -SIGKILL) << point << passage;
      EXPECT_NE(lock.acquire_checked(Deadline::after(20s)), Acquired::timed_out) << point << passage;
      lock.unlock();
      EXPECT_TRUE(lock.try_lock_shared());
      EXPECT_EQ(lock.readers(), 1u);
      lock.unlock_shared();
    }
  }
}

}  // namespace
}  // namespace polyproc
