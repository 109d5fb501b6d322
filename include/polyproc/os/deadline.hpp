// SPDX-License-Identifier: MIT
// A point on the monotonic clock up to which an operation may block. Every blocking call takes one, so that retries
// and nested waits share a single end, and a change of the wall clock moves nothing.
#pragma once

#include <chrono>
#include <compare>

#include <polyproc/os/config.hpp>

namespace polyproc::inline v0 {

class Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] static constexpr Deadline never() noexcept { return Deadline(Clock::time_point::max()); }
  [[nodiscard]] static constexpr Deadline now() noexcept { return Deadline(Clock::time_point::min()); }
  [[nodiscard]] static constexpr Deadline at(Clock::time_point when) noexcept { return Deadline(when); }

  // Any deadline of another clock is translated once, when the call is made.
  template <class Clk, class Dur>
  [[nodiscard]] static Deadline at(std::chrono::time_point<Clk, Dur> when) {
    return after(when - Clk::now());
  }

  // A duration too long for the clock means never; one of zero or less means 'look once'.
  template <class Rep, class Period>
  [[nodiscard]] static Deadline after(std::chrono::duration<Rep, Period> timeout) {
    if (timeout <= timeout.zero()) return now();
    const auto start = Clock::now();
    const std::chrono::duration<double> room = Clock::time_point::max() - start;
    if (std::chrono::duration<double>(timeout) >= room) return never();
    return Deadline(start + std::chrono::ceil<Clock::duration>(timeout));
  }

  [[nodiscard]] constexpr bool is_never() const noexcept { return when_ == Clock::time_point::max(); }
  [[nodiscard]] constexpr bool is_now() const noexcept { return when_ == Clock::time_point::min(); }
  [[nodiscard]] bool passed() const noexcept { return is_now() || (!is_never() && Clock::now() >= when_); }

  // The clock's least point for now(), its last one for never().
  [[nodiscard]] constexpr Clock::time_point when() const noexcept { return when_; }

  // What is left, at most `slice`, never negative.
  [[nodiscard]] Clock::duration remaining(Clock::duration slice) const noexcept {
    if (is_never()) return slice;
    if (is_now()) return Clock::duration::zero();
    const auto left = when_ - Clock::now();
    return left < Clock::duration::zero() ? Clock::duration::zero() : left < slice ? left : slice;
  }

  friend constexpr auto operator<=>(const Deadline&, const Deadline&) = default;

 private:
  explicit constexpr Deadline(Clock::time_point when) noexcept : when_(when) {}
  Clock::time_point when_;
};

}  // namespace polyproc::inline v0
