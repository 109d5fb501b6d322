// SPDX-License-Identifier: MIT
// Lock and RLock: mutual exclusion among processes and threads, which tells when a holder has died.
//
// Both are standard Lockables (std::scoped_lock, std::unique_lock) and have Python's names beside. A handle is a counted
// reference: copies name the same lock. All methods may be called by any number of threads and processes at once.
//
// Who comes while the lock is free takes it, also past others that wait. Who has waited for 10 ms takes a place in an order: from then on
// it is passed by those before it, and by who takes the lock at that moment, and by nobody else. A process that is stopped (SIGSTOP) is
// alive: while it is the first in the order, a lock that comes free is kept for it, and the others wait until it goes on.
//
// When the process that holds the lock dies, the data that it guards may be half changed. lock(), try_lock() and
// acquire() then throw OwnerDied, once, without holding the lock, and the lock is free again; acquire_checked() instead
// returns Acquired::owner_died holding it, so that the caller can repair the data before anybody else looks. Waiters
// learn of a death within 100 ms.
#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <string>

#include <polyproc/arena/arena.hpp>
#include <polyproc/os/deadline.hpp>

namespace polyproc::inline v0 {

enum class Acquired { yes, timed_out, owner_died };

// Bytes that a lock takes at the start of a block.
inline constexpr std::uint64_t kLockBytes = 64;

// What Lock and RLock have in common, compiled once.
class POLYPROC_API LockHandle {
 public:
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

  // Python's: false when the lock could not be had at once (blocking false) or within the timeout.
  bool acquire(bool blocking = true) { return acquire_until(blocking ? Deadline::never() : Deadline::now()); }
  template <class Rep, class Period>
  bool acquire(bool blocking, const std::chrono::duration<Rep, Period>& timeout) {
    return acquire_until(blocking ? Deadline::after(timeout) : Deadline::now());
  }
  [[nodiscard]] bool acquire_until(Deadline deadline);
  [[nodiscard]] Acquired acquire_checked(Deadline deadline = Deadline::never());
  void release();
  // Is it held, by anybody, at this moment?
  [[nodiscard]] bool locked() const;

  // Gives up this handle.
  void close() noexcept { block_ = BlockRef(); }
  [[nodiscard]] const BlockRef& block() const noexcept { return block_; }
  [[nodiscard]] Handle handle() const;
  friend bool operator==(const LockHandle& a, const LockHandle& b) noexcept { return a.block_ == b.block_; }
  friend POLYPROC_API std::ostream& operator<<(std::ostream& out, const LockHandle& lock);

 protected:
  LockHandle(BlockRef block, bool recursive) noexcept : block_(std::move(block)), recursive_(recursive) {}
  [[nodiscard]] static BlockRef make(const Arena& arena, BlockKind kind);

 private:
  BlockRef block_;  // its payload begins with the lock
  bool recursive_;
};

// Not recursive. May be released by another thread or process than the one that acquired it; its owner, for the
// question of death, is the process that acquired it. Releasing a free Lock is a UsageError.
class POLYPROC_API Lock : public LockHandle {
 public:
  explicit Lock(const Arena& arena = Arena::family()) : LockHandle(make(arena, BlockKind::lock), false) {}
  // The lock called `name` in the arena, made if absent.
  Lock(const Arena& arena, const std::string& name);
  [[nodiscard]] static Lock from_block(BlockRef block);

 private:
  explicit Lock(BlockRef block) noexcept : LockHandle(std::move(block), false) {}
};

// Recursive: the thread that holds it may acquire it again, and must release it as often. Only that thread may.
class POLYPROC_API RLock : public LockHandle {
 public:
  explicit RLock(const Arena& arena = Arena::family()) : LockHandle(make(arena, BlockKind::rlock), true) {}
  RLock(const Arena& arena, const std::string& name);
  // The block of an RLock, or of a Value, Array or Condition: these begin with one.
  [[nodiscard]] static RLock from_block(BlockRef block);

 private:
  explicit RLock(BlockRef block) noexcept : LockHandle(std::move(block), true) {}
};

}  // namespace polyproc::inline v0
