// SPDX-License-Identifier: MIT
// Fail points and diagnostics: what the crash tests and a host's log stand on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include <polyproc/os/diagnostics.hpp>
#include <polyproc/os/fail_point.hpp>
#include <string>

#include "support/forked_child.hpp"

namespace polyproc {
namespace {

using ::testing::Contains;
using testing::ForkedChild;

void pass(const char* name) { os::detail::pass_fail_point(name); }

TEST(FailPoint, KillsAtTheNamedPlaceOnly) {
  ForkedChild child([] {
    os::arm_fail_point("test.second");
    pass("test.first");
    pass("test.second");
    return 1;
  });
  EXPECT_EQ(child.join(), -SIGKILL);
}

TEST(FailPoint, CountsDown) {
  testing::SharedPage<int> passed;
  ForkedChild child([&] {
    os::arm_fail_point("test.counted", 3);
    for (;; ++*passed) pass("test.counted");
  });
  EXPECT_EQ(child.join(), -SIGKILL);
  EXPECT_EQ(*passed, 2);
}

TEST(FailPoint, IsInheritedByAForkAndCanBeDisarmed) {
  os::arm_fail_point("test.inherited");
  ForkedChild dies([] { pass("test.inherited"); });
  EXPECT_EQ(dies.join(), -SIGKILL);
  os::disarm_fail_points();
  ForkedChild lives([] { pass("test.inherited"); });
  EXPECT_EQ(lives.join(), 0);
}

TEST(FailPoint, RemembersWhatWasPassed) {
  pass("test.remembered");
  pass("test.remembered");
  EXPECT_THAT(os::fail_points_passed(), Contains("test.remembered").Times(1));
}

TEST(Diagnostics, GoToTheSinkThatWasSet) {
  testing::SharedPage<std::array<char, 64>> seen;
  ForkedChild child([&] {
    set_diagnostic_sink([&](std::string_view message) { message.copy(seen->data(), 63); });
    os::diagnose("hello");
  });
  EXPECT_EQ(child.join(), 0);
  EXPECT_STREQ(seen->data(), "hello");
}

TEST(Diagnostics, DropWhatASinkThrows) {
  ForkedChild child([] {
    set_diagnostic_sink([](std::string_view) { throw 1; });
    os::diagnose("lost");
  });
  EXPECT_EQ(child.join(), 0);
}

TEST(Diagnostics, GoToStandardErrorByDefaultAsOneLine) {
  ::testing::internal::CaptureStderr();
  ForkedChild child([] {
    set_diagnostic_sink({});
    os::diagnose("a line");
  });
  child.join();
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "a line\n");
}

}  // namespace
}  // namespace polyproc
