// SPDX-License-Identifier: MIT
// wait: for the first of several things: queues, connections, the ends of processes, descriptors, in any mixture.
//
//     for (const std::size_t ready : polyproc::wait({orders, child, control})) {
//       if (ready == 0) serve(orders.try_get());   // another consumer may have been faster
//       ...
//
// What is named ready was so at some instant during the call. When others use it too, one of them may be faster: take
// with try_get, try_recv. What becomes ready before or during the call, and stays so, is never missed, whoever made it so and
// whenever its producers began. An Event that is set and cleared at once may be: Event::wait counts how often it was set, wait only
// looks whether it is.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <ranges>
#include <span>
#include <vector>

#include <polyproc/os/config.hpp>
#include <polyproc/os/deadline.hpp>
#include <polyproc/sync/waitable.hpp>

namespace polyproc::inline v0 {

namespace detail {

[[nodiscard]] POLYPROC_API std::vector<std::size_t> wait_for_any(std::span<const Waitable> objects,
                                                                 Deadline deadline);

}  // namespace detail

// The things to wait for: one, a list in braces, or any range of them.
class Waitables {
 public:
  Waitables(std::initializer_list<Waitable> objects) : objects_(objects) {}
  template <class W>
  requires std::convertible_to<const W&, Waitable> Waitables(const W& object) : objects_{Waitable(object)} {}
  template <std::ranges::input_range R>
  requires(!std::convertible_to<R, Waitable> &&
           std::convertible_to<std::ranges::range_reference_t<R>, Waitable>) Waitables(R&& objects) {
    for (auto&& object : objects) objects_.emplace_back(object);
  }
  [[nodiscard]] std::span<const Waitable> span() const noexcept { return objects_; }

 private:
  std::vector<Waitable> objects_;
};

// The positions of those that are ready, ascending; none at the deadline. All throw OsError for a descriptor that is not
// open, and InvalidArgument when there is neither anything to wait for nor a deadline.
[[nodiscard]] inline std::vector<std::size_t> wait(const Waitables& objects) {
  return detail::wait_for_any(objects.span(), Deadline::never());
}
[[nodiscard]] inline std::vector<std::size_t> wait_until(const Waitables& objects, Deadline deadline) {
  return detail::wait_for_any(objects.span(), deadline);
}
template <class Rep, class Period>
[[nodiscard]] std::vector<std::size_t> wait_for(const Waitables& objects,
                                                const std::chrono::duration<Rep, Period>& timeout) {
  return detail::wait_for_any(objects.span(), Deadline::after(timeout));
}
template <class Clock, class Duration>
[[nodiscard]] std::vector<std::size_t> wait_until(const Waitables& objects,
                                                  const std::chrono::time_point<Clock, Duration>& when) {
  return detail::wait_for_any(objects.span(), Deadline::at(when));
}

}  // namespace polyproc::inline v0
