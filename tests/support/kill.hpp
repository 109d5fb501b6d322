// SPDX-License-Identifier: MIT
// A child that dies at a named fail point, for tests that ask what it left behind.
#pragma once

#include <csignal>
#include <cstdint>
#include <string>

#include <polyproc/os/fail_point.hpp>

#include "support/forked_child.hpp"

namespace polyproc::testing {

inline constexpr bool kHasFailPoints = POLYPROC_FAIL_POINTS != 0;

// Runs `body` in a forked child that is killed when it comes to `point` for the `countdown`-th time. Was it?
template <class Body>
[[nodiscard]] bool killed_at(const std::string& point, Body body, std::uint32_t countdown = 1) {
  ForkedChild child([&] {
    os::arm_fail_point(point, countdown);
    body();
    return 0;
  });
  return child.join() == -SIGKILL;
}

}  // namespace polyproc::testing

#define POLYPROC_NEEDS_FAIL_POINTS() \
  if (!polyproc::testing::kHasFailPoints) GTEST_SKIP() << "built without fail points"
