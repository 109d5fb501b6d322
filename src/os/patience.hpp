// SPDX-License-Identifier: MIT
// How those wait who may find what they wait for in memory at any moment.
#pragma once

#include <chrono>

#include <polyproc/os/config.hpp>

namespace polyproc::inline v0 {

// How long it pays to look for what is awaited before one sleeps: not at all while it comes later than that.
class POLYPROC_API LookingTime {
 public:
  using Duration = std::chrono::steady_clock::duration;
  [[nodiscard]] Duration most() const noexcept { return most_; }
  // What was awaited came after so long.
  void learn(Duration waited) noexcept;

 private:
  static constexpr std::chrono::microseconds kMost{50};  // as long as a sleep and its wake-up take
  static constexpr std::chrono::microseconds kLeast{3};
  Duration most_ = kMost;
};

// Offers the processor to others, who may be those that are waited for. Where others with much to do take it for long, it is kept
// for a while.
class POLYPROC_API Offering {
 public:
  // False when it is not or was in vain: better sleep.
  bool offer() noexcept;

 private:
  int skips_ = 0;
};

}  // namespace polyproc::inline v0
