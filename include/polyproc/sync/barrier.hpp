// SPDX-License-Identifier: MIT
// Barrier: a number of parties wait for each other, round after round.
//
//     polyproc::Barrier barrier(4);
//     if (barrier.wait() == 0) clean_up();   // one of each round
//
// A handle is a counted reference: copies name the same barrier. All methods may be called by any number of threads and processes at
// once. A round is passed by all of its parties or by none: a deadline, abort(), an exception of the action, or the death of one that
// waits breaks the barrier, and all who wait and who come get BrokenBarrier until somebody resets it. They learn of a death within
// 100 ms. The barrier knows nothing of a party that dies before it arrives: give a deadline.
//
// While the action runs its round is complete, and no deadline breaks it, however long it takes; abort(), reset() and the death of its
// process do. Who comes meanwhile waits until it is over, and its time counts from then on.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>

#include <polyproc/arena/arena.hpp>
#include <polyproc/os/deadline.hpp>

namespace polyproc::inline v0 {

class POLYPROC_API Barrier {
 public:
  // Throws InvalidArgument for no parties.
  explicit Barrier(std::uint64_t parties, const Arena& arena = Arena::family());
  // The barrier called `name` in the arena, made if absent.
  Barrier(const Arena& arena, const std::string& name, std::uint64_t parties);
  [[nodiscard]] static Barrier from_block(BlockRef block);

  // What the last one to arrive does before any of the round goes on, where this handle is its own: handles do not take it along.
  void set_action(std::function<void()> action) { action_ = std::move(action); }

  // The place of arrival, from 0. Throws BrokenBarrier, also at the deadline, which breaks it, and what the action throws.
  std::uint64_t wait() { return wait_until(Deadline::never()); }
  std::uint64_t wait_until(Deadline deadline);
  template <class Rep, class Period>
  std::uint64_t wait_for(const std::chrono::duration<Rep, Period>& timeout) {
    return wait_until(Deadline::after(timeout));
  }
  template <class Clock, class Duration>
  std::uint64_t wait_until(const std::chrono::time_point<Clock, Duration>& when) {
    return wait_until(Deadline::at(when));
  }

  // Whoever waits gets BrokenBarrier; afterwards it is as new.
  void reset();
  // Breaks it.
  void abort();
  [[nodiscard]] std::uint64_t parties() const;
  // Both know of a death within 50 ms.
  [[nodiscard]] std::uint64_t n_waiting() const;
  [[nodiscard]] bool broken() const;

  // Gives up this handle.
  void close() noexcept { block_ = BlockRef(); }
  [[nodiscard]] const BlockRef& block() const noexcept { return block_; }
  [[nodiscard]] Handle handle() const;
  friend bool operator==(const Barrier& a, const Barrier& b) noexcept { return a.block_ == b.block_; }
  friend POLYPROC_API std::ostream& operator<<(std::ostream& out, const Barrier& barrier);

 private:
  explicit Barrier(BlockRef block) noexcept : block_(std::move(block)) {}
  void act(std::uint64_t round);

  BlockRef block_;
  std::function<void()> action_;
};

}  // namespace polyproc::inline v0
