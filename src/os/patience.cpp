// SPDX-License-Identifier: MIT
#include "os/patience.hpp"

#include <sched.h>

namespace polyproc::inline v0 {

void LookingTime::learn(Duration waited) noexcept {
  if (waited < 2 * kMost)
    most_ = kMost;
  else
    most_ = most_ / 2 < kLeast ? Duration::zero() : most_ / 2;
}

bool Offering::offer() noexcept {
  constexpr std::chrono::microseconds kLong{200};
  constexpr int kSkips = 1024;
  if (skips_ != 0) {
    --skips_;
    return false;
  }
  const auto begin = std::chrono::steady_clock::now();
  ::sched_yield();
  if (std::chrono::steady_clock::now() - begin > kLong) skips_ = kSkips;
  return skips_ == 0;
}

}  // namespace polyproc::inline v0
