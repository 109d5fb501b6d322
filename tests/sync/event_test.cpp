// SPDX-License-Identifier: MIT
// Events: who waits is woken, once set stays set, and no death keeps others asleep.
#include <gtest/gtest.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/os/fail_point.hpp>
#include <polyproc/sync/event.hpp>
#include <polyproc/sync/wait.hpp>

#include <chrono>
#include <sstream>
#include <thread>
#include <vector>

#include "support/forked_child.hpp"
#include "sync/sleepers.hpp"
#include "sync/sync_states.hpp"

namespace polyproc {
namespace {

using namespace std::chrono_literals;
using testing::ForkedChild;

// Until somebody has announced that it sleeps: from then on it has seen how often the event was set.
[[nodiscard]] bool wait_until_awaited(const Event& event) {
  const auto& sleepers = reinterpret_cast<const EventState*>(event.block().data())->sleepers;
  return testing::wait_until([&] { return (sleepers & kSleepersAsleep) != 0; });
}

TEST(Event, IsSetUntilItIsCleared) {
  Event event;
  EXPECT_FALSE(event.is_set());
  EXPECT_FALSE(event.wait_for(0ms));
  EXPECT_FALSE(event.wait_for(5ms));
  event.set();
  event.set();
  EXPECT_TRUE(event.is_set());
  event.wait();
  EXPECT_TRUE(event.wait_for(0ms));
  event.clear();
  EXPECT_FALSE(event.is_set());
  std::ostringstream text;
  text << event;
  EXPECT_EQ(text.str(), "<Event, not set>");
}

TEST(Event, WakesAllWhoWait) {
  Event event;
  std::vector<ForkedChild> children;
  for (int i = 0; i < 4; ++i) children.emplace_back([&] { return event.wait_for(20s) ? 0 : 1; });
  std::thread other([&] { EXPECT_TRUE(event.wait_for(20s)); });
  for (const auto& child : children) ASSERT_TRUE(testing::wait_until_asleep(child.pid()));
  event.set();
  other.join();
  for (auto& child : children) EXPECT_EQ(child.join(), 0);
}

// Set and cleared while somebody waits: it has seen that.
TEST(Event, ThatIsClearedAtOnceHasWokenThoseWhoWaited) {
  for (int i = 0; i < 50; ++i) {
    Event event;
    ForkedChild child([&] { return event.wait_for(20s) ? 0 : 1; });
    ASSERT_TRUE(wait_until_awaited(event));
    event.set();
    event.clear();
    EXPECT_EQ(child.join(), 0);
  }
}

TEST(Event, IsPassedToAndFroWithoutLoss) {
  Event ping, pong;
  constexpr int kRounds = 3000;
  const auto play = [&](Event& hear, Event& say) {
    for (int i = 0; i < kRounds; ++i) {
      if (!hear.wait_for(20s)) return 1;
      hear.clear();
      say.set();
    }
    return 0;
  };
  ForkedChild child([&] { return play(ping, pong); });
  ping.set();
  EXPECT_EQ(play(pong, ping), 0);
  EXPECT_EQ(child.join(), 0);
}

TEST(Event, JoinsWait) {
  Event first, second;
  ForkedChild child([&] { second.set(); });
  EXPECT_EQ(wait({first, second}), std::vector<std::size_t>{1});
  EXPECT_EQ(child.join(), 0);
  second.clear();
  EXPECT_TRUE(wait_for({first, second}, 5ms).empty());
}

TEST(EventDeath, OfTheSetterAtEachStepKeepsNobodyAsleep) {
#if !POLYPROC_FAIL_POINTS
  GTEST_SKIP() << "no fail points in this build";
#endif
  for (const char* point : {"event.set", "sleepers.before_wake"}) {
    Event event;
    ForkedChild waiter([&] { return event.wait_for(20s) ? 0 : 1; });
    ASSERT_TRUE(wait_until_awaited(event));
    ForkedChild setter([&] {
      os::arm_fail_point(point);
      event.set();
    });
    EXPECT_EQ(setter.join(), -SIGKILL) << point;
    EXPECT_EQ(waiter.join(), 0) << point;
  }
}

}  // namespace
}  // namespace polyproc
