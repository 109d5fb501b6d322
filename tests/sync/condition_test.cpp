// SPDX-License-Identifier: MIT
// Conditions: who waits is notified, in its turn, and no notification is lost with the dead.
#include <gtest/gtest.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>
#include <polyproc/sync/condition.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "support/forked_child.hpp"
#include "support/kill.hpp"
#include "sync/sync_states.hpp"

namespace polyproc {
namespace {

using namespace std::chrono_literals;
using testing::ForkedChild;
using testing::SharedPage;

int waiting_at(const Condition& condition) {
  const auto* state = reinterpret_cast<const ConditionState*>(condition.block().data());
  Transaction section(condition.block().core());
  int count = 0;
  (void)find_waiter(section.region(), state->waiters, [&](const Waiter& each) {
    count += each.told.load() == 0;
    return false;
  });
  return count;
}
// Also that who waits has let go of the lock, which it does after it is listed.
[[nodiscard]] bool wait_until_waiting(Condition condition, int count) {
  if (!testing::wait_until([&] { return waiting_at(condition) == count; })) return false;
  const std::scoped_lock all_wait(condition);
  return true;
}

// 0: it was notified.
int hear(Condition& condition) {
  const std::scoped_lock guard(condition);
  return condition.wait_for(20s) ? 0 : 1;
}

TEST(Condition, TimesOutHoldingItsLock) {
  Condition condition;
  const std::scoped_lock guard(condition);
  EXPECT_FALSE(condition.wait_for(0ms));
  EXPECT_FALSE(condition.wait_for(5ms));
  EXPECT_FALSE(condition.wait_for(5ms, [] { return false; }));
  EXPECT_TRUE(condition.wait_for(0ms, [] { return true; }));
  ForkedChild child([&] { return condition.try_lock() ? 1 : 0; });
  EXPECT_EQ(child.join(), 0);
  EXPECT_EQ(waiting_at(condition), 0);
}

TEST(Condition, RefusesToWaitWithoutItsLock) {
  Condition condition;
  EXPECT_THROW(condition.wait(), UsageError);
  EXPECT_EQ(waiting_at(condition), 0);
}

TEST(Condition, FreesItsLockHoweverOftenItIsHeld) {
  Condition condition;
  SharedPage<std::atomic<int>> value;
  ForkedChild child([&] {
    const std::scoped_lock outer(condition);
    const std::scoped_lock inner(condition);
    condition.wait([&] { return *value == 1; });
    *value = 2;
    return condition.get_lock().locked() ? 0 : 1;
  });
  ASSERT_TRUE(wait_until_waiting(condition, 1));
  {
    const std::scoped_lock guard(condition);
    *value = 1;
    condition.notify_one();
  }
  EXPECT_EQ(child.join(), 0);
  EXPECT_EQ(*value, 2);
  EXPECT_TRUE(condition.try_lock());
  condition.unlock();
}

TEST(Condition, NotifiesAsManyAsItIsToldInTheirOrder) {
  Condition condition;
  SharedPage<std::atomic<int>> order;
  std::vector<ForkedChild> children;
  for (int i = 0; i < 4; ++i) {
    children.emplace_back([&, i] {
      const std::scoped_lock guard(condition);
      if (!condition.wait_for(20s)) return 1;
      return order->fetch_add(1) / 2 == i / 2 ? 0 : 2;
    });
    ASSERT_TRUE(wait_until_waiting(condition, i + 1));
  }
  condition.notify(2);
  EXPECT_EQ(children[0].join(), 0);
  EXPECT_EQ(children[1].join(), 0);
  EXPECT_EQ(waiting_at(condition), 2);
  condition.notify_all();
  EXPECT_EQ(children[2].join(), 0);
  EXPECT_EQ(children[3].join(), 0);
  condition.notify();  // nobody
  EXPECT_EQ(waiting_at(condition), 0);
}

TEST(Condition, WaitsWithOtherLocks) {
  Condition condition;
  Lock lock;
  SharedPage<std::atomic<bool>> ready;
  ForkedChild child([&] {
    std::unique_lock guard(lock);
    while (!*ready) condition.wait(guard);
    return guard.owns_lock() && lock.locked() ? 0 : 1;
  });
  ASSERT_TRUE(wait_until_waiting(condition, 1));
  {
    const std::scoped_lock guard(lock);
    *ready = true;
  }
  condition.notify_all();
  EXPECT_EQ(child.join(), 0);
  std::unique_lock guard(lock);
  EXPECT_FALSE(condition.wait_for(guard, 5ms));
  EXPECT_TRUE(guard.owns_lock());
}

TEST(Condition, TakesPointsInTimeAndQuestionsWithEachLock) {
  Condition condition;
  Lock lock;
  const auto soon = [] { return std::chrono::system_clock::now() + 5ms; };
  EXPECT_TRUE(condition.try_lock_for(1s));
  EXPECT_TRUE(condition.try_lock_until(std::chrono::steady_clock::now()));
  condition.unlock();
  EXPECT_FALSE(condition.wait_until(soon()));
  EXPECT_FALSE(condition.wait_until(soon(), [] { return false; }));
  EXPECT_TRUE(condition.wait_until(soon(), [] { return true; }));
  condition.unlock();
  {
    const std::unique_lock timed(condition, 1s);
    EXPECT_TRUE(timed.owns_lock());
  }
  std::unique_lock guard(lock);
  int asked = 0;
  const auto second = [&] { return ++asked == 2; };
  EXPECT_FALSE(condition.wait_until(guard, soon()));
  EXPECT_TRUE(condition.wait_for(guard, 5ms, second));
  EXPECT_FALSE(condition.wait_until(guard, soon(), second));
  EXPECT_FALSE(condition.wait_until(guard, Deadline::now(), second));
  condition.wait(guard, [] { return true; });
  EXPECT_TRUE(guard.owns_lock());
  ForkedChild child([&] {
    const std::scoped_lock other(lock);
    condition.notify_all();
  });
  SharedPage<std::atomic<bool>> told;
  condition.wait(guard, [&] { return told->exchange(true); });
  EXPECT_EQ(child.join(), 0);
}

TEST(Condition, CarriesABoundedBufferAmongProcessesAndThreads) {
  struct Buffer {
    int items = 0, put = 0, got = 0;
  };
  constexpr int kItems = 2000;
  Condition condition;
  SharedPage<Buffer> buffer;
  const auto produce = [&] {
    for (int i = 0; i < kItems; ++i) {
      const std::scoped_lock guard(condition);
      if (!condition.wait_for(20s, [&] { return buffer->items < 3; })) return 1;
      ++buffer->items, ++buffer->put;
      condition.notify_all();
    }
    return 0;
  };
  const auto consume = [&] {
    for (int i = 0; i < kItems; ++i) {
      const std::scoped_lock guard(condition);
      if (!condition.wait_for(20s, [&] { return buffer->items > 0; })) return 1;
      --buffer->items, ++buffer->got;
      condition.notify_all();
    }
    return 0;
  };
  ForkedChild producer(produce), consumer(consume);
  std::thread other([&] { EXPECT_EQ(produce(), 0); });
  EXPECT_EQ(consume(), 0);
  other.join();
  EXPECT_EQ(producer.join(), 0);
  EXPECT_EQ(consumer.join(), 0);
  EXPECT_EQ(buffer->put, 2 * kItems);
  EXPECT_EQ(buffer->got, 2 * kItems);
}

// Its wait has heard the notification, and has not returned: it waits for the lock.
TEST(ConditionDeath, OfANotifiedWaiterWithoutItsLockSwallowsNothing) {
  POLYPROC_NEEDS_FAIL_POINTS();
  for (const bool foreign : {false, true}) {
    Condition condition;
    Lock other;
    const auto wait = [&] {
      if (foreign) {
        std::unique_lock guard(other);
        return condition.wait_for(guard, 20s);
      }
      return hear(condition) == 0;
    };
    ForkedChild victim([&] {
      os::arm_fail_point("condition.told_and_free");
      (void)wait();
    });
    ASSERT_TRUE(wait_until_waiting(condition, 1));
    ForkedChild next([&] { return wait() ? 0 : 1; });
    ASSERT_TRUE(wait_until_waiting(condition, 2));
    condition.notify_one();
    EXPECT_EQ(victim.join(), -SIGKILL) << foreign;
    EXPECT_EQ(next.join(), 0) << foreign;
  }
}

TEST(ConditionDeath, LeavesItsNotificationToThoseAloneWhoWaitedThen) {
  Condition condition;
  ForkedChild victim([&] { return hear(condition); });
  ASSERT_TRUE(wait_until_waiting(condition, 1));
  victim.kill(SIGSTOP);
  condition.notify_one();
  victim.kill(SIGKILL);
  EXPECT_EQ(victim.join(), -SIGKILL);
  const std::scoped_lock guard(condition);
  EXPECT_FALSE(condition.wait_for(120ms));
}

// The best of several tries: the machine may be busy.
TEST(ConditionDeath, OfAWaiterPassesItsNotificationOnWithinASlice) {
  double best = 1;
  for (int i = 0; i < 20 && best >= 0.06; ++i) {
    Condition condition;
    SharedPage<std::atomic<std::int64_t>> heard;
    const auto now = [] { return std::chrono::steady_clock::now().time_since_epoch().count(); };
    ForkedChild victim([&] { return hear(condition); });
    ASSERT_TRUE(wait_until_waiting(condition, 1));
    ForkedChild next([&] {
      const int failed = hear(condition);
      *heard = now();
      return failed;
    });
    ASSERT_TRUE(wait_until_waiting(condition, 2));
    victim.kill(SIGSTOP);
    condition.notify_one();
    EXPECT_EQ(waiting_at(condition), 1);
    victim.kill(SIGKILL);
    EXPECT_EQ(victim.join(), -SIGKILL);
    const std::int64_t dead = now();
    EXPECT_EQ(next.join(), 0);
    best = std::min(best, 1e-9 * static_cast<double>(*heard - dead));
  }
  EXPECT_LT(best, 0.06);  // 50 ms are documented
}

TEST(Condition, HearsWhatComesAfterItsDeadlineWhileItWaitsForItsLock) {
  Condition condition;
  ForkedChild child([&] {
    const std::scoped_lock guard(condition);
    return condition.wait_for(100ms) ? 0 : 1;
  });
  ASSERT_TRUE(wait_until_waiting(condition, 1));
  {
    const std::scoped_lock guard(condition);
    const auto begin = std::chrono::steady_clock::now();
    if (waiting_at(condition) == 0) GTEST_SKIP() << "this process was too slow";
    while (testing::seconds_since(begin) < 0.12) std::this_thread::yield();  // its deadline passes
    condition.notify_one();
  }
  EXPECT_EQ(child.join(), 0);
}

// A lock whose holder dies each time.
TEST(ConditionDeath, OfOneHolderAfterTheOtherEndsWithTheLockHeld) {
  struct Dying {
    void lock() {
      if (deaths-- > 0) throw OwnerDied("it died");
      held = true;
    }
    void unlock() { held = false; }
    int deaths = 3;
    bool held = true;
  };
  Condition condition;
  Dying lock;
  EXPECT_THROW((void)condition.wait_for(lock, 1ms), OwnerDied);
  EXPECT_TRUE(lock.held);
  EXPECT_EQ(waiting_at(condition), 0);
}

TEST(ConditionDeath, OfTheLocksOwnerIsToldWithTheLockHeld) {
  Condition condition;
  ForkedChild waiter([&] {
    condition.lock();
    try {
      condition.wait();
    } catch (const OwnerDied&) {
      condition.unlock();  // held
      return 0;
    }
    return 1;
  });
  ASSERT_TRUE(wait_until_waiting(condition, 1));
  ForkedChild owner([&] {
    condition.lock();
    condition.notify_all();
    ::raise(SIGKILL);
  });
  EXPECT_EQ(owner.join(), -SIGKILL);
  EXPECT_EQ(waiter.join(), 0);
  EXPECT_TRUE(condition.try_lock());
  condition.unlock();
}

TEST(ConditionDeath, AtEachStepHarmsNobody) {
#if !POLYPROC_FAIL_POINTS
  GTEST_SKIP() << "no fail points in this build";
#endif
  for (const char* point :
       {"condition.told", "condition.before_sleep", "condition.woken", "condition.told_and_free",
        "transaction.logged", "transaction.before_commit", "transaction.committed"}) {
    for (std::uint32_t passage = 1; passage <= 5; ++passage) {
      Condition condition;
      ForkedChild survivor([&] { return hear(condition); });
      ASSERT_TRUE(wait_until_waiting(condition, 1));
      ForkedChild child([&] {
        os::arm_fail_point(point, passage);
        Lock lock;
        for (int i = 0; i < 20; ++i) {
          condition.notify(2);
          std::unique_lock guard(lock);
          (void)condition.wait_for(guard, 1ms);
        }
      });
      EXPECT_EQ(child.join(), std::string_view(point) == "condition.told" && passage > 1 ? 0 : -SIGKILL)
          << point << passage;
      condition.notify_all();  // the dead one may not have
      EXPECT_EQ(survivor.join(), 0) << point << passage;
      EXPECT_TRUE(testing::wait_until([&] {
        condition.notify();
        return waiting_at(condition) == 0;
      })) << point
          << passage;
    }
  }
}

}  // namespace
}  // namespace polyproc
