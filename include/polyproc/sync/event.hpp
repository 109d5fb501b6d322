// SPDX-License-Identifier: MIT
// Event: a flag in shared memory that processes and threads wait for.
//
//     polyproc::Event ready;                      // in one process
//     ready.set();
//     if (!ready.wait_for(1s)) give_up();         // in others
//     polyproc::wait({ready, child, connection})  // among other things
//
// A handle is a counted reference: copies name the same event. All methods may be called by any number of threads and processes at
// once. Whoever waits when the event is set returns, also when it is cleared right afterwards. A process killed in any of them leaves the
// event set or not; those whom it had not woken yet wake up within 50 ms.
#pragma once

#include <chrono>
#include <iosfwd>
#include <string>

#include <polyproc/arena/arena.hpp>
#include <polyproc/os/deadline.hpp>
#include <polyproc/sync/waitable.hpp>

namespace polyproc::inline v0 {

class POLYPROC_API Event {
 public:
  explicit Event(const Arena& arena = Arena::family());
  // The event called `name` in the arena, made if absent.
  Event(const Arena& arena, const std::string& name);
  [[nodiscard]] static Event from_block(BlockRef block);

  [[nodiscard]] bool is_set() const;
  void set();
  void clear();

  void wait() const { (void)wait_until(Deadline::never()); }
  // Python's: whether it was set; false at the deadline.
  [[nodiscard]] bool wait_until(Deadline deadline) const;
  template <class Rep, class Period>
  [[nodiscard]] bool wait_for(const std::chrono::duration<Rep, Period>& timeout) const {
    return wait_until(Deadline::after(timeout));
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool wait_until(const std::chrono::time_point<Clock, Duration>& when) const {
    return wait_until(Deadline::at(when));
  }

  // For wait() (wait.hpp): ready while it is set.
  [[nodiscard]] Waitable waitable() const;
  // Gives up this handle.
  void close() noexcept { block_ = BlockRef(); }
  [[nodiscard]] const BlockRef& block() const noexcept { return block_; }
  [[nodiscard]] Handle handle() const;
  friend bool operator==(const Event& a, const Event& b) noexcept { return a.block_ == b.block_; }
  friend POLYPROC_API std::ostream& operator<<(std::ostream& out, const Event& event);

 private:
  explicit Event(BlockRef block) noexcept : block_(std::move(block)) {}
  BlockRef block_;
};

}  // namespace polyproc::inline v0
