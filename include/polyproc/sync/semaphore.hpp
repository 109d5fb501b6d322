// SPDX-License-Identifier: MIT
// Semaphore and BoundedSemaphore: a number of permits in shared memory.
//
// Both are standard Lockables (std::scoped_lock, std::unique_lock) and have Python's names beside. A handle is a counted reference:
// copies name the same semaphore. All methods may be called by any number of threads and processes at once.
//
// Waiting is bounded: who has waited for kSemaphorePatience is passed by nobody who comes later; from then on permits are handed over
// in order. try_lock never waits, and takes what is not promised. A process that is stopped (SIGSTOP) is alive: while it is the first in
// the order, the next permit goes to it, and is there for the others when it goes on and gives it back.
//
// Deaths. A permit belongs to nobody: any process may release it, and one taken by acquire() stays taken when its process is killed.
// One taken by hold() is given back then, at the latest 50 ms after somebody has begun to wait for one, or 100 ms where that one waits
// for other things too (wait.hpp), and to who only tries.
#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <utility>

#include <polyproc/arena/arena.hpp>
#include <polyproc/os/deadline.hpp>
#include <polyproc/sync/waitable.hpp>

namespace polyproc::inline v0 {

inline constexpr std::chrono::milliseconds kSemaphorePatience{10};

// What both have in common, compiled once.
class POLYPROC_API SemaphoreHandle {
 public:
  // One permit, which its owner gives back, or its owner's death does.
  class POLYPROC_API Permit {
   public:
    Permit(Permit&& other) noexcept
        : block_(std::move(other.block_)), record_(std::exchange(other.record_, 0)), owner_(other.owner_) {}
    Permit& operator=(Permit&& other) noexcept {
      std::swap(block_, other.block_);
      std::swap(record_, other.record_);
      std::swap(owner_, other.owner_);
      return *this;
    }
    ~Permit() { release(); }
    // Does nothing the second time, nor on the copies that a forked child has.
    void release() noexcept;
    // The permit stays taken until this process ends.
    void forget() noexcept { record_ = 0; }

   private:
    friend class SemaphoreHandle;
    Permit(BlockRef block, std::uint64_t record) noexcept;
    BlockRef block_;
    std::uint64_t record_;
    std::uint64_t owner_;  // process
  };

  void lock() { (void)acquire_until(Deadline::never()); }
  [[nodiscard]] bool try_lock() { return acquire_until(Deadline::now()); }
  void unlock() { release(); }
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(const std::chrono::duration<Rep, Period>& timeout) {
    return acquire_until(Deadline::after(timeout));
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_until(const std::chrono::time_point<Clock, Duration>& when) {
    return acquire_until(Deadline::at(when));
  }

  // Python's: false when there was no permit at once (blocking false) or within the timeout.
  bool acquire(bool blocking = true) { return acquire_until(blocking ? Deadline::never() : Deadline::now()); }
  template <class Rep, class Period>
  bool acquire(bool blocking, const std::chrono::duration<Rep, Period>& timeout) {
    return acquire_until(blocking ? Deadline::after(timeout) : Deadline::now());
  }
  [[nodiscard]] bool acquire_until(Deadline deadline);
  // Throws UsageError, and changes nothing, where a bounded one would have more permits than at its beginning.
  void release(std::uint64_t permits = 1);

  [[nodiscard]] Permit hold() { return std::move(*hold_until(Deadline::never())); }
  // Nothing at the deadline.
  [[nodiscard]] std::optional<Permit> hold_until(Deadline deadline);

  [[nodiscard]] std::uint64_t get_value() const;
  [[nodiscard]] bool locked() const { return get_value() == 0; }

  // For wait() (wait.hpp): ready while there are permits.
  [[nodiscard]] Waitable waitable() const;
  // Gives up this handle.
  void close() noexcept { block_ = BlockRef(); }
  [[nodiscard]] const BlockRef& block() const noexcept { return block_; }
  [[nodiscard]] Handle handle() const;
  friend bool operator==(const SemaphoreHandle& a, const SemaphoreHandle& b) noexcept {
    return a.block_ == b.block_;
  }
  friend POLYPROC_API std::ostream& operator<<(std::ostream& out, const SemaphoreHandle& semaphore);

 protected:
  explicit SemaphoreHandle(BlockRef block) noexcept : block_(std::move(block)) {}
  [[nodiscard]] static BlockRef make(const Arena& arena, std::uint64_t value, bool bounded);
  // Throws TypeMismatch.
  [[nodiscard]] static BlockRef checked(BlockRef block, bool bounded);

 private:
  [[nodiscard]] std::uint64_t take_in_turn(Deadline deadline);

  BlockRef block_;
};

class POLYPROC_API Semaphore : public SemaphoreHandle {
 public:
  explicit Semaphore(std::uint64_t value = 1, const Arena& arena = Arena::family())
      : SemaphoreHandle(make(arena, value, false)) {}
  // The semaphore called `name` in the arena, made if absent.
  Semaphore(const Arena& arena, const std::string& name, std::uint64_t value = 1)
      : SemaphoreHandle(
            checked(arena.find_or_publish(name, [&] { return make(arena, value, false); }), false)) {}
  [[nodiscard]] static Semaphore from_block(BlockRef block) {
    return Semaphore(checked(std::move(block), false));
  }

 private:
  explicit Semaphore(BlockRef block) noexcept : SemaphoreHandle(std::move(block)) {}
};

class POLYPROC_API BoundedSemaphore : public SemaphoreHandle {
 public:
  explicit BoundedSemaphore(std::uint64_t value = 1, const Arena& arena = Arena::family())
      : SemaphoreHandle(make(arena, value, true)) {}
  BoundedSemaphore(const Arena& arena, const std::string& name, std::uint64_t value = 1)
      : SemaphoreHandle(
            checked(arena.find_or_publish(name, [&] { return make(arena, value, true); }), true)) {}
  [[nodiscard]] static BoundedSemaphore from_block(BlockRef block) {
    return BoundedSemaphore(checked(std::move(block), true));
  }

 private:
  explicit BoundedSemaphore(BlockRef block) noexcept : SemaphoreHandle(std::move(block)) {}
};

}  // namespace polyproc::inline v0
