// SPDX-License-Identifier: MIT
// SharedLock: one writer, or any number of readers, among processes and threads.
//
// A standard SharedLockable: std::unique_lock and std::scoped_lock for writers, std::shared_lock for readers. Not recursive; the thread
// that acquired it releases it. A handle is a counted reference: copies name the same lock. All methods may be called by any number of
// threads and processes at once.
//
// Waiting is in order: nobody passes one who came before, but that readers who follow each other go in together. So neither readers nor
// writers starve. One that is stopped (SIGSTOP) keeps its turn, and those behind it wait until it goes on.
//
// Deaths. A reader that is killed is dropped silently: it has changed nothing. When a writer is killed the data may be half changed:
// whoever acquires next, to read or to write, is told by OwnerDied, once, without holding the lock; acquire_checked() instead holds it,
// as a writer, to repair the data before anybody else looks. Waiters learn of a death within 100 ms.
#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <utility>

#include <polyproc/arena/arena.hpp>
#include <polyproc/os/deadline.hpp>
#include <polyproc/sync/lock.hpp>

namespace polyproc::inline v0 {

class POLYPROC_API SharedLock {
 public:
  explicit SharedLock(const Arena& arena = Arena::family());
  // The lock called `name` in the arena, made if absent.
  SharedLock(const Arena& arena, const std::string& name);
  [[nodiscard]] static SharedLock from_block(BlockRef block);

  void lock() { (void)acquire_until(Mode::write, Deadline::never()); }
  [[nodiscard]] bool try_lock() { return acquire_until(Mode::write, Deadline::now()); }
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(const std::chrono::duration<Rep, Period>& timeout) {
    return acquire_until(Mode::write, Deadline::after(timeout));
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_until(const std::chrono::time_point<Clock, Duration>& when) {
    return acquire_until(Mode::write, Deadline::at(when));
  }
  // Throws UsageError when this thread has not acquired it so.
  void unlock() { release(Mode::write); }

  void lock_shared() { (void)acquire_until(Mode::read, Deadline::never()); }
  [[nodiscard]] bool try_lock_shared() { return acquire_until(Mode::read, Deadline::now()); }
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_shared_for(const std::chrono::duration<Rep, Period>& timeout) {
    return acquire_until(Mode::read, Deadline::after(timeout));
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_shared_until(const std::chrono::time_point<Clock, Duration>& when) {
    return acquire_until(Mode::read, Deadline::at(when));
  }
  void unlock_shared() { release(Mode::read); }

  // To write; with owner_died it is held as well.
  [[nodiscard]] Acquired acquire_checked(Deadline deadline = Deadline::never());

  // How many hold it to read, and whether one holds it to write, at this moment.
  [[nodiscard]] std::uint64_t readers() const;
  [[nodiscard]] bool locked() const;

  // Gives up this handle.
  void close() noexcept { block_ = BlockRef(); }
  [[nodiscard]] const BlockRef& block() const noexcept { return block_; }
  [[nodiscard]] Handle handle() const;
  friend bool operator==(const SharedLock& a, const SharedLock& b) noexcept { return a.block_ == b.block_; }
  friend POLYPROC_API std::ostream& operator<<(std::ostream& out, const SharedLock& lock);

 private:
  enum class Mode : std::uint64_t { read = 0, write = 1 };
  explicit SharedLock(BlockRef block) noexcept : block_(std::move(block)) {}
  [[nodiscard]] bool acquire_until(Mode mode, Deadline deadline);
  // `repair`: a writer's death is told to one that holds the lock.
  [[nodiscard]] Acquired acquire(Mode mode, Deadline deadline, bool repair);
  void release(Mode mode);

  BlockRef block_;
};

}  // namespace polyproc::inline v0
