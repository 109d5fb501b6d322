// SPDX-License-Identifier: MIT
// A process killed after each machine instruction of what semaphores, conditions and barriers do: the survivors go on, permits are
// exact, and the arena is clean.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fd.hpp>
#include <polyproc/sync/barrier.hpp>
#include <polyproc/sync/condition.hpp>
#include <polyproc/sync/event.hpp>
#include <polyproc/sync/semaphore.hpp>
#include <polyproc/sync/shared_lock.hpp>

#include <atomic>
#include <chrono>
#include <mutex>
#include <shared_mutex>

#include "support/forked_child.hpp"
#include "support/sweep.hpp"
#include "sync/sync_states.hpp"

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
                         condition.notify();  // the dead one at most
                         EXPECT_FALSE(condition.wait_for(0ms));
                         condition.unlock();
                         expect_clean();
                       },
                   .stride = 11}),
            100u);
}

WaiterList& waiters_of(const Condition& condition) {
  return reinterpret_cast<ConditionState*>(condition.block().data())->waiters;
}

// One that waits behind the swept one, for each round anew.
class Companion {
 public:
  explicit Companion(Condition& condition)
      : condition_(condition), child_([this] { run(); }, testing::kChildSeconds * 20) {
    char byte =
        'l';  // both functions are found by the loader here, not among the steps of some of the children
    EXPECT_EQ(::write(in_list_.write.get(), &byte, 1), 1);
    EXPECT_EQ(::read(in_list_.read.get(), &byte, 1), 1);
  }

  // By the swept one, once its own record is in the list: returns when the companion's is behind it.
  void call() const {
    char byte = 'g';
    EXPECT_EQ(::write(go_.write.get(), &byte, 1), 1);
    EXPECT_EQ(::read(in_list_.read.get(), &byte, 1), 1);
  }
  // Of this round, in `most`.
  [[nodiscard]] bool has_heard(std::chrono::milliseconds most) const {
    return testing::wait_until([&] { return *heard_ != 0; }, most);
  }
  // Until it waits for the next round.
  void end_round() {
    char byte = 'e';
    EXPECT_EQ(::write(go_.write.get(), &byte, 1), 1);
    EXPECT_TRUE(testing::wait_until([&] {
      condition_.notify_all();
      return *ended_ == rounds_ + 1;
    }));
    ++rounds_;
    *heard_ = 0;
    pollfd left{in_list_.read.get(), POLLIN, 0};
    while (::poll(&left, 1, 0) == 1 && ::read(left.fd, &byte, 1) == 1) {
    }
  }

 private:
  struct Pipe {
    Pipe() {
      int ends[2];
      EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
      read.reset(ends[0]);
      write.reset(ends[1]);
    }
    os::Fd read, write;
  };
  struct
      Told {  // tells that its record is in the list; it will not look for the dead while the other one is swept
    void lock() const {}
    void unlock() const {
      note_look(waiters_of(*condition));
      EXPECT_EQ(::write(fd, "l", 1), 1);
    }
    Condition* condition;
    int fd;
  };

  [[noreturn]] void run() {
    for (char byte = 0;;) {
      if (::read(go_.read.get(), &byte, 1) != 1) ::_exit(1);
      Told lock{&condition_, in_list_.write.get()};
      if (byte == 'g') {
        condition_.wait(lock);
        ++*heard_;
      } else {
        ++*ended_;
      }
    }
  }

  Condition& condition_;
  Pipe go_, in_list_;
  testing::SharedPage<std::atomic<int>> heard_, ended_;
  int rounds_ = 0;
  testing::ForkedChild child_;
};

// The swept one is notified in its wait. As long as it does not have its lock again its death passes that on.
TEST_F(SweepSync, ConditionNotifiedWithACompanion) {
  Condition condition(arena_);
  Companion companion(condition);
  struct Steps {
    std::atomic<bool> notified, locking;
  };
  testing::SharedPage<Steps> steps;
  struct Notifying {
    void unlock() const {
      companion->call();
      waiters_of(*condition).looked =
          0;  // it looks for the dead each time, however long the steps have taken
      condition->notify();
      (*steps)->notified = true;
    }
    void lock() const { (*steps)->locking = true; }
    Condition* condition;
    const Companion* companion;
    testing::SharedPage<Steps>* steps;
  };
  const Notifying lock{&condition, &companion, &steps};
  int passed_on = 0;
  EXPECT_GT(sweep({.operation = [&] { EXPECT_TRUE(condition.wait_for(lock, 20s)); },
                   .verify =
                       [&](const Death& death) {
                         EXPECT_FALSE(death.completed && companion.has_heard(0ms));
                         if (steps->notified && !steps->locking) {
                           EXPECT_TRUE(companion.has_heard(2s));
                           ++passed_on;
                         }
                         companion.end_round();
                         steps->notified = steps->locking = false;
                         expect_clean();
                       },
                   .stride = 11}),
            100u);
  EXPECT_GT(passed_on, 5);
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
