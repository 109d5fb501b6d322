// SPDX-License-Identifier: MIT
// Locks among children of every start method, to which the handle is passed as an argument.
#include <polyproc/os/error.hpp>
#include <polyproc/shared/value.hpp>
#include <polyproc/sync/lock.hpp>

#include <mutex>

#include "support/forked_child.hpp"
#include "support/start_methods.hpp"

namespace polyproc::testing {
namespace {

class LockUnder : public EachMethod {};
class RLockUnder : public EachMethod {};

template <class L>
void add(L lock, Value<int> sum, int times) {
  for (int i = 0; i < times; ++i) {
    const std::scoped_lock guard(lock);
    sum.ref() += 1;
  }
}

template <class L>
void hold(L lock, Queue<int> said) {
  lock.lock();
  said.put(::getpid());
  wait_for_ever();
}

template <class L>
void hold_once(L lock, Queue<int> said, Value<int> flag) {
  said.put(::getpid());
  lock.lock();
  flag = 1;
  lock.unlock();
}

// 1: free, 2: held by somebody else.
template <class L>
void look(L lock, Queue<int> said) {
  const bool mine = lock.try_lock();
  if (mine) lock.unlock();
  said.put(mine ? 1 : 2);
}

template <class L>
int seen_by_a_child(const ProcessOptions& options, L lock) {
  Queue<int> said;
  Process child(options, look<L>, lock, said);
  child.start();
  const int seen = take(said);
  child.join();
  return seen;
}

TEST_P(LockUnder, ExcludesOthers) {
  Lock lock;
  Value<int> sum(0);
  Process one = started(add<Lock>, lock, sum, 2000);
  Process two = started(add<Lock>, lock, sum, 2000);
  add(lock, sum, 2000);
  expect_done(one);
  expect_done(two);
  EXPECT_EQ(sum.get(), 6000);
}

TEST_P(LockUnder, IsSeenHeldAndFree) {
  Lock lock;
  EXPECT_EQ(seen_by_a_child(options(), lock), 1);
  lock.lock();
  EXPECT_EQ(seen_by_a_child(options(), lock), 2);
  lock.unlock();
}

TEST_P(LockUnder, MayBeReleasedForAnother) {
  Lock lock;
  lock.lock();
  Process child = started([](Lock theirs) { theirs.unlock(); }, lock);
  expect_done(child);
  EXPECT_TRUE(lock.try_lock());
  lock.unlock();
}

TEST_P(LockUnder, TellsThatItsHolderWasKilled) {
  Lock lock;
  Queue<int> said;
  Process holder = started(hold<Lock>, lock, said);
  ASSERT_GT(take(said), 0);
  EXPECT_FALSE(lock.try_lock());
  holder.kill();
  EXPECT_THROW(lock.lock(), OwnerDied);
  EXPECT_TRUE(lock.try_lock());
  lock.unlock();
  holder.join();
}

TEST_P(LockUnder, GoesOnWhenAWaiterIsKilled) {
  Lock lock;
  Queue<int> said;
  Value<int> dead(0), living(0);
  lock.lock();
  Process killed = started(hold_once<Lock>, lock, said, dead);
  ASSERT_TRUE(wait_until_asleep(take(said)));
  Process waiter = started(hold_once<Lock>, lock, said, living);
  ASSERT_TRUE(wait_until_asleep(take(said)));
  killed.kill();
  killed.join();
  lock.unlock();
  expect_done(waiter);
  EXPECT_EQ(living.get(), 1);
  EXPECT_FALSE(lock.locked());
}

POLYPROC_EACH_METHOD(LockUnder);

TEST_P(RLockUnder, ExcludesOthers) {
  RLock lock;
  Value<int> sum(0);
  Process one = started(add<RLock>, lock, sum, 2000);
  Process two = started(add<RLock>, lock, sum, 2000);
  {
    const std::scoped_lock guard(lock);
    add(lock, sum, 2000);
  }
  expect_done(one);
  expect_done(two);
  EXPECT_EQ(sum.get(), 6000);
}

TEST_P(RLockUnder, IsReleasedByItsHolderOnly) {
  RLock lock;
  Queue<int> said;
  lock.lock();
  Process child = started(
      [](RLock theirs, Queue<int> answer) {
        try {
          theirs.unlock();
          answer.put(1);
        } catch (const UsageError&) {
          answer.put(2);
        }
      },
      lock, said);
  EXPECT_EQ(take(said), 2);
  expect_done(child);
  EXPECT_EQ(seen_by_a_child(options(), lock), 2);
  lock.unlock();
  EXPECT_EQ(seen_by_a_child(options(), lock), 1);
}

TEST_P(RLockUnder, TellsThatItsHolderWasKilled) {
  RLock lock;
  Queue<int> said;
  Process holder = started(hold<RLock>, lock, said);
  ASSERT_GT(take(said), 0);
  holder.kill();
  EXPECT_EQ(lock.acquire_checked(), Acquired::owner_died);
  lock.lock();
  lock.unlock();
  lock.unlock();
  EXPECT_EQ(seen_by_a_child(options(), lock), 1);
  holder.join();
}

POLYPROC_EACH_METHOD(RLockUnder);

}  // namespace
}  // namespace polyproc::testing
