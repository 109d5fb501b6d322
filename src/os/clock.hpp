// SPDX-License-Identifier: MIT
// The monotonic clock as one number, for what is kept in shared memory; all processes of a machine read the same one.
#pragma once

#include <chrono>
#include <cstdint>

namespace polyproc::inline v0::os {

inline std::uint64_t monotonic_ns() noexcept {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

}  // namespace polyproc::inline v0::os
