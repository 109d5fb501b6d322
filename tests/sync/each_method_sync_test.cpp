// SPDX-License-Identifier: MIT
// Events, semaphores, conditions and barriers among children of every start method, to which they are passed as arguments and
// through queues.
#include <polyproc/os/error.hpp>
#include <polyproc/shared/value.hpp>
#include <polyproc/sync/barrier.hpp>
#include <polyproc/sync/condition.hpp>
#include <polyproc/sync/event.hpp>
#include <polyproc/sync/semaphore.hpp>
#include <polyproc/sync/shared_lock.hpp>
#include <polyproc/sync/wait.hpp>

#include <mutex>
#include <shared_mutex>

#include "support/start_methods.hpp"

namespace polyproc::testing {
namespace {

class SyncUnder : public EachMethod {};

struct Tools {
  Event event;
  Semaphore semaphore;
  Condition condition;
  Barrier barrier;
};

TEST_P(SyncUnder, EventsAreSeenByAll) {
  Event go, done;
  Process child = started(
      [](Event first, Event second) {
        first.wait();
        second.set();
      },
      go, done);
  EXPECT_FALSE(done.is_set());
  go.set();
  EXPECT_EQ(wait_for({done}, kLong), std::vector<std::size_t>{0});
  expect_done(child);
}

TEST_P(SyncUnder, SemaphoresCountForAll) {
  BoundedSemaphore semaphore(2);
  Value<int> inside(0), most(0);
  const auto work = [](BoundedSemaphore its, Value<int> within, Value<int> peak) {
    for (int i = 0; i < 200; ++i) {
      const std::scoped_lock guard(its);
      RLock& lock = within.get_lock();
      const std::scoped_lock both(lock);
      within.ref() += 1;
      if (within.ref() > peak.ref()) peak.ref() = within.ref();
      within.ref() -= 1;
    }
  };
  Process one = started(work, semaphore, inside, most);
  Process two = started(work, semaphore, inside, most);
  work(semaphore, inside, most);
  expect_done(one);
  expect_done(two);
  EXPECT_LE(most.get(), 2);
  EXPECT_EQ(semaphore.get_value(), 2u);
}

TEST_P(SyncUnder, APermitThatIsHeldComesBackFromTheKilled) {
  Semaphore semaphore(1);
  Queue<int> said;
  Process child = started(
      [](Semaphore its, Queue<int> out) {
        const auto permit = its.hold();
        out.put(1);
        wait_for_ever();
      },
      semaphore, said);
  EXPECT_EQ(take(said), 1);
  EXPECT_FALSE(semaphore.try_lock());
  child.kill();
  child.join();
  EXPECT_TRUE(semaphore.try_lock_for(kLong));
}

TEST_P(SyncUnder, ConditionsPassTurns) {
  Condition condition;
  Value<int> turn(0);
  const auto play = [](Condition its, Value<int> whose, int mine) {
    for (int i = 0; i < 50; ++i) {
      const std::scoped_lock guard(its);
      its.wait([&] { return whose.get() == mine; });
      whose = 1 - mine;
      its.notify_all();
    }
  };
  Process other = started(play, condition, turn, 1);
  play(condition, turn, 0);
  expect_done(other);
  EXPECT_EQ(turn.get(), 0);
}

TEST_P(SyncUnder, ANotificationOfTheKilledGoesToTheNext) {
  Condition condition;
  Queue<int> said;
  const auto hear = [](Condition its, Queue<int> out, int number) {
    const std::scoped_lock guard(its);
    out.put(number);
    its.wait();
    out.put(number);
  };
  Process first = started(hear, condition, said, 1);
  EXPECT_EQ(take(said), 1);
  condition.lock();  // it waits
  condition.unlock();
  Process second = started(hear, condition, said, 2);
  EXPECT_EQ(take(said), 2);
  {
    const std::scoped_lock guard(condition);
    ::kill(*first.pid(), SIGSTOP);
    condition.notify();
  }
  first.kill();
  first.join();
  EXPECT_EQ(take(said), 2);
  expect_done(second);
}

TEST_P(SyncUnder, BarriersHoldAllAndBreakForTheKilled) {
  Barrier barrier(2);
  Process child = started(
      [](Barrier its) {
        (void)its.wait();
        (void)its.wait();
      },
      barrier);
  (void)barrier.wait_for(kLong);
  while (barrier.n_waiting() == 0) continue;
  child.kill();
  child.join();
  EXPECT_THROW((void)barrier.wait_for(kLong), BrokenBarrier);
}

TEST_P(SyncUnder, SharedLocksTellOfAKilledWriter) {
  SharedLock lock;
  Queue<int> said;
  Process child = started(
      [](SharedLock its, Queue<int> out) {
        { const std::shared_lock reader(its); }
        its.lock();
        out.put(1);
        wait_for_ever();
      },
      lock, said);
  EXPECT_EQ(take(said), 1);
  EXPECT_FALSE(lock.try_lock_shared());
  child.kill();
  child.join();
  EXPECT_THROW((void)lock.try_lock_shared_for(kLong), OwnerDied);
  EXPECT_TRUE(lock.try_lock_shared());
  lock.unlock_shared();
}

TEST_P(SyncUnder, AllGoThroughQueuesInStructs) {
  Queue<Tools> queue;
  Tools tools{Event(), Semaphore(0), Condition(), Barrier(2)};
  queue.put(tools);
  Process child = started(
      [](Queue<Tools> from) {
        Tools its = from.get();
        its.event.set();
        its.semaphore.release();
        { const std::scoped_lock guard(its.condition); }
        its.condition.notify_all();
        (void)its.barrier.wait();
      },
      queue);
  tools.event.wait();
  EXPECT_TRUE(tools.semaphore.try_lock_for(kLong));
  (void)tools.barrier.wait_for(kLong);
  expect_done(child);
}

POLYPROC_EACH_METHOD(SyncUnder);

}  // namespace
}  // namespace polyproc::testing
