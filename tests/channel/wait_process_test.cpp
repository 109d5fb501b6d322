// SPDX-License-Identifier: MIT
// wait() among processes of every start method, and when those who publish or wait are killed.
#include <polyproc/channel/connection.hpp>
#include <polyproc/channel/queue.hpp>
#include <polyproc/os/fail_point.hpp>
#include <polyproc/shared/array.hpp>
#include <polyproc/sync/wait.hpp>

#include <vector>

#include "channel/queue_state.hpp"
#include "support/forked_child.hpp"
#include "support/start_methods.hpp"
#include "sync/bell_thread.hpp"
#include "sync/sleepers.hpp"

namespace polyproc::testing {
namespace {

using namespace std::chrono_literals;
using Positions = std::vector<std::size_t>;

class WaitUnder : public EachMethod {
 protected:
  ~WaitUnder() override { end_bell_threads(); }
};

void end_when_told(Queue<int> go) { (void)go.get(); }

TEST_P(WaitUnder, SeesTheEndOfAProcess) {
  Queue<int> go, quiet;
  Process child = started(end_when_told, go);
  EXPECT_EQ(wait_for({child, quiet}, 1ms), Positions{});
  go.put(1);
  EXPECT_EQ(wait_for({quiet, child}, kLong), Positions{1});
  EXPECT_EQ(wait_for({child}, kLong), Positions{0});
  expect_done(child);
}

void produce_in_turns(Queue<int> one, Queue<std::string> two, Connection<int> three) {
  for (int i = 0; i < 300; ++i) {
    if (i % 3 == 0) one.put(i);
    if (i % 3 == 1) two.put(std::to_string(i));
    if (i % 3 == 2) three.send(i);
  }
}

// The producers run before anybody waits.
TEST_P(WaitUnder, MissesNothingOfRunningProducers) {
  Queue<int> one;
  Queue<std::string> two;
  Pipe<int> pipe(false);
  Process child = started(produce_in_turns, one, two, pipe.second);
  pipe.second.close();
  int seen = 0;
  while (seen < 300) {
    const auto ready = wait_for({one, two, pipe.first}, kLong);
    ASSERT_FALSE(ready.empty()) << seen;
    for (const std::size_t number : ready) {
      if (number == 0) seen += one.try_get().has_value();
      if (number == 1) seen += two.try_get().has_value();
      if (number == 2) seen += pipe.first.try_recv().has_value();
    }
  }
  expect_done(child);
}

void serve(Queue<int> in, Queue<int> quiet, Queue<int> out) {
  for (;;) {
    if (wait({quiet, in}).empty()) return;
    if (const auto item = in.try_get()) {
      if (*item < 0) return;
      out.put(*item);
    }
  }
}

TEST_P(WaitUnder, SeveralProcessesWaitForTheSameQueue) {
  Queue<int> in, quiet, out;
  Process one = started(serve, in, quiet, out);
  Process two = started(serve, in, quiet, out);
  for (int i = 0; i < 500; ++i) in.put(i);
  std::vector<int> seen(500);
  for (int i = 0; i < 500; ++i) ++seen.at(static_cast<std::size_t>(out.get_for(kLong).value()));
  EXPECT_EQ(seen, std::vector<int>(500, 1));
  in.put(-1);
  in.put(-1);
  expect_done(one);
  expect_done(two);
}

POLYPROC_EACH_METHOD(WaitUnder);

class WaitDeath : public ::testing::Test {
 protected:
  ~WaitDeath() override { end_bell_threads(); }
  // Somebody has entered the queue, and that process sleeps.
  static bool waits_for(const Queue<int>& queue, const ForkedChild& waiter) {
    const auto& state = *reinterpret_cast<const QueueState*>(queue.block().data());
    return wait_until([&] { return (state.get.sleepers & kSleepersWatched) != 0; }) &&
           wait_until_asleep(waiter.pid());
  }
};

TEST_F(WaitDeath, OfThePublisherAtEachStepIsNotMissed) {
#if !POLYPROC_FAIL_POINTS
  GTEST_SKIP() << "no fail points in this build";
#endif
  for (const char* point :
       {"queue.put.committed", "watch.seen", "watch.bit_cleared", "watch.mask_taken", "watch.before_wake"}) {
    for (const bool beside_a_descriptor : {false, true}) {
      Queue<int> queue, quiet;
      Pipe<int> silent;
      ForkedChild waiter([&] {
        const auto ready =
            beside_a_descriptor ? wait_for({quiet, queue, silent.first}, 1s) : wait_for({quiet, queue}, 1s);
        return ready == Positions{1} ? 0 : 1;
      });
      ASSERT_TRUE(waits_for(queue, waiter));
      ForkedChild publisher([&] {
        os::arm_fail_point(point);
        queue.put(7);
        return 1;
      });
      EXPECT_EQ(publisher.join(), -SIGKILL) << point;
      EXPECT_EQ(waiter.join(), 0) << point;
      // Later publications are seen too.
      EXPECT_EQ(queue.get(), 7);
      ForkedChild next([&] { return wait_for({quiet, queue}, 1s) == Positions{1} ? 0 : 1; });
      ASSERT_TRUE(waits_for(queue, next));
      queue.put(8);
      EXPECT_EQ(next.join(), 0) << point;
    }
  }
}

TEST_F(WaitDeath, OfAWaiterHarmsNobody) {
  Queue<int> queue, quiet;
  for (int i = 0; i < 10; ++i) {
    ForkedChild victim([&] { (void)wait({quiet, queue}); });
    ForkedChild plain([&] { return queue.get_for(10s) == i ? 0 : 1; });
    ForkedChild waiter([&] { return wait_for({quiet, queue}, 10s).empty() ? 1 : 0; });
    ASSERT_TRUE(wait_until_asleep(victim.pid()));
    ASSERT_TRUE(wait_until_asleep(plain.pid()));
    ASSERT_TRUE(wait_until_asleep(waiter.pid()));
    victim.kill(SIGKILL);
    EXPECT_EQ(victim.join(), -SIGKILL);
    const auto start = std::chrono::steady_clock::now();
    queue.put(i);
    EXPECT_EQ(plain.join(), 0);
    queue.put(-1);  // the waiter may have looked when the other one had taken the item
    EXPECT_EQ(waiter.join(), 0);
    EXPECT_LT(seconds_since(start), 1.0);
    (void)queue.get();
  }
}

TEST_F(WaitDeath, OfAWaiterAtEachStepHarmsNobody) {
#if !POLYPROC_FAIL_POINTS
  GTEST_SKIP() << "no fail points in this build";
#endif
  Queue<int> queue, quiet;
  ForkedChild victim([&] {
    os::arm_fail_point("watch.entered");
    (void)wait({quiet, queue});
  });
  EXPECT_EQ(victim.join(), -SIGKILL);
  ForkedChild waiter([&] { return wait_for({quiet, queue}, 1s) == Positions{1} ? 0 : 1; });
  ASSERT_TRUE(wait_until_asleep(waiter.pid()));
  queue.put(1);
  EXPECT_EQ(waiter.join(), 0);
}

}  // namespace
}  // namespace polyproc::testing
