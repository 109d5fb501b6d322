// SPDX-License-Identifier: MIT
// Named places at which a test can have a process killed (SIGKILL, nothing runs after it). Compiled to nothing unless
// POLYPROC_FAIL_POINTS is 1, as it is in the test builds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <polyproc/os/config.hpp>

#ifndef POLYPROC_FAIL_POINTS
#define POLYPROC_FAIL_POINTS 0
#endif

namespace polyproc::inline v0::os {

// The calling process dies when it comes to `name` for the `countdown`-th time (1: the next time). Private to the
// process; a forked child inherits it.
POLYPROC_API void arm_fail_point(const std::string& name, std::uint32_t countdown = 1);
POLYPROC_API void disarm_fail_points() noexcept;
// Every name that this process has passed so far, so that a test can tell that its list is complete.
POLYPROC_API std::vector<std::string> fail_points_passed();

namespace detail {
POLYPROC_API void pass_fail_point(const char* name) noexcept;
}

}  // namespace polyproc::inline v0::os

#if POLYPROC_FAIL_POINTS
#define POLYPROC_FAIL_POINT(name) ::polyproc::os::detail::pass_fail_point(name)
#else
#define POLYPROC_FAIL_POINT(name) static_cast<void>(0)
#endif
