// SPDX-License-Identifier: MIT
// Parents and children that are killed at named steps of a start: the arena has everything back, nobody hangs.
#include <polyproc/os/fail_point.hpp>

#include <string_view>

#include "process/support.hpp"
#include "support/forked_child.hpp"

#if POLYPROC_FAIL_POINTS

namespace polyproc::testing {
namespace {

class KilledAt : public EachMethod {
 protected:
  static void expect_whole(std::uint64_t processes) {
    // The fork server of a killed parent ends a moment later.
    EXPECT_TRUE(wait_until([&] {
      Arena::family().recover();
      return Arena::family().stats().processes == processes;
    }));
    EXPECT_TRUE(Arena::family().check().clean());
  }
};

TEST_P(KilledAt, TheParentsStart) {
  for (const char* point : {"process_slots.child_prepared", "process.forked", "process.spawned"}) {
    Queue<int> go_on, running;
    const auto before = Arena::family().stats().processes;
    HostFork parent([&] {
      os::arm_fail_point(point);
      Process p(options(), report_and_wait, running, go_on);
      p.start();
      p.join();
      return 0;
    });
    // A child that came into being lives on as an orphan, unless the parent died before.
    const bool was_server =
        GetParam() == StartMethod::forkserver && std::string_view(point) == "process.spawned";
    const bool has_child = std::string_view(point) != "process_slots.child_prepared" && !was_server;
    if (has_child) {
      const int child = take(running);
      ASSERT_GT(child, 0) << point;
      go_on.put(1);
      EXPECT_TRUE(ends_soon(child)) << point;
    }
    // Each of the later two points lies on the way of one start method.
    const int code = parent.wait();
    EXPECT_TRUE(code == -SIGKILL || (has_child && code == 0)) << point;
    expect_whole(before);
  }
}

TEST_P(KilledAt, TheChildsEnd) {
  Process p(
      options(), [](std::string point) { os::arm_fail_point(point); }, "process.child_ends");
  p.start();
  EXPECT_TRUE(p.join_for(kLong));
  EXPECT_EQ(p.exitcode(), -SIGKILL);
  expect_whole(1 + servers());
}

POLYPROC_EACH_METHOD(KilledAt);

TEST(KilledAt, TheForkedChildsBegin) {
  Value<int> flag(0);
  os::arm_fail_point("process.child_begins");
  Process p(set_flag, flag);
  p.start();
  os::disarm_fail_points();
  EXPECT_TRUE(p.join_for(kLong));
  EXPECT_EQ(p.exitcode(), -SIGKILL);
  EXPECT_EQ(flag.get(), 0);
  EXPECT_EQ(Arena::family().stats().processes, 1u);
  EXPECT_TRUE(Arena::family().check().clean());
}

}  // namespace
}  // namespace polyproc::testing

#endif
