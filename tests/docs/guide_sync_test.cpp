// SPDX-License-Identifier: MIT
// The code of the guide's chapter on locks, beyond that of guide_test.cpp.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <shared_mutex>

#include <gtest/gtest.h>
#include <polyproc/polyproc.hpp>

namespace {

using namespace std::chrono_literals;

// clang-format off
TEST(Guide, ReadersAndWriters) {
  polyproc::SharedLock doors;
  { std::shared_lock reader(doors); }
  { std::unique_lock writer(doors); }
  EXPECT_FALSE(doors.locked());
}

TEST(Guide, Semaphores) {
  polyproc::BoundedSemaphore seats(3);  // a Semaphore may be released more often
  { std::scoped_lock taken(seats); }    // acquire and release
  auto seat = seats.hold();             // comes back when its process is killed
  EXPECT_EQ(seats.get_value(), 2u);
}

TEST(Guide, EventsAndConditions) {
  polyproc::Lock lock;
  polyproc::Event ready;
  ready.set();
  if (!ready.wait_for(1s)) puts("nothing for a second");

  polyproc::Condition changed;  // with a lock of its own
  int count = 0;
  {
    std::scoped_lock guard(changed);
    ++count;
    changed.notify_all();
    changed.wait([&] { return count > 0; });
  }
  std::unique_lock other(lock);
  bool notified = changed.wait_for(other, 5ms);  // with any other lock
  EXPECT_FALSE(notified);
  EXPECT_TRUE(other.owns_lock());
}

TEST(Guide, Barriers) {
  polyproc::Barrier start(1);
  start.set_action([] { puts("all are here"); });
  std::uint64_t place = start.wait();  // the last one has done the action
  EXPECT_EQ(place, 0u);
}
// clang-format on

}  // namespace
