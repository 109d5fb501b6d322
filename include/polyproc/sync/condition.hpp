// SPDX-License-Identifier: MIT
// Condition: to wait, with a lock that is free meanwhile, until somebody notifies.
//
// It has an RLock of its own, whose methods it has too, and waits with any other lock as std::condition_variable_any does:
//
//     polyproc::Condition changed;
//     const std::scoped_lock guard(changed);
//     changed.wait([&] { return count.get() == 10; });
//
// A handle is a counted reference: copies name the same condition. All methods may be called by any number of threads and processes at
// once. Who waits is notified in the order in which it came; wait never returns by itself, before it was notified or its deadline.
//
// Deaths. What a killed process was notified of, and did not live to hear, goes within 50 ms to the next of those who waited then; it has
// heard it when it holds the lock again. When the lock's owner dies, who waits for the condition waits on; who was notified, or whose
// deadline has passed, gets the lock, and wait throws OwnerDied. It holds the lock then, as it does whenever it returns. Who is killed while
// it notifies has notified none, some or all of those it was to.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <iosfwd>
#include <limits>
#include <string>
#include <utility>

#include <polyproc/arena/arena.hpp>
#include <polyproc/os/deadline.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/sync/lock.hpp>

namespace polyproc::inline v0 {

namespace detail {

template <class L>
concept BasicLockable = requires(L& lock) {
  lock.lock();
  lock.unlock();
};

}  // namespace detail

class POLYPROC_API Condition {
 public:
  explicit Condition(const Arena& arena = Arena::family());
  // The condition called `name` in the arena, made if absent.
  Condition(const Arena& arena, const std::string& name);
  [[nodiscard]] static Condition from_block(BlockRef block);

  // ---- its lock
  [[nodiscard]] RLock get_lock() const { return lock_; }
  void lock() { lock_.lock(); }
  [[nodiscard]] bool try_lock() { return lock_.try_lock(); }
  void unlock() { lock_.unlock(); }
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(const std::chrono::duration<Rep, Period>& timeout) {
    return lock_.try_lock_for(timeout);
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_until(const std::chrono::time_point<Clock, Duration>& when) {
    return lock_.try_lock_until(when);
  }
  bool acquire(bool blocking = true) { return lock_.acquire(blocking); }
  template <class Rep, class Period>
  bool acquire(bool blocking, const std::chrono::duration<Rep, Period>& timeout) {
    return lock_.acquire(blocking, timeout);
  }
  void release() { lock_.release(); }

  // ---- waiting with it. This thread holds it, however often (UsageError otherwise).
  void wait() { (void)wait_until(Deadline::never()); }
  // False at the deadline.
  [[nodiscard]] bool wait_until(Deadline deadline);
  template <class Rep, class Period>
  [[nodiscard]] bool wait_for(const std::chrono::duration<Rep, Period>& timeout) {
    return wait_until(Deadline::after(timeout));
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool wait_until(const std::chrono::time_point<Clock, Duration>& when) {
    return wait_until(Deadline::at(when));
  }
  // Until `ready` returns true; false at the deadline.
  template <std::predicate Ready>
  void wait(Ready ready) {
    while (!ready()) wait();
  }
  template <std::predicate Ready>
  [[nodiscard]] bool wait_until(Deadline deadline, Ready ready) {
    while (!ready())
      if (!wait_until(deadline)) return ready();
    return true;
  }
  template <class Rep, class Period, std::predicate Ready>
  [[nodiscard]] bool wait_for(const std::chrono::duration<Rep, Period>& timeout, Ready ready) {
    return wait_until(Deadline::after(timeout), std::move(ready));
  }
  template <class Clock, class Duration, std::predicate Ready>
  [[nodiscard]] bool wait_until(const std::chrono::time_point<Clock, Duration>& when, Ready ready) {
    return wait_until(Deadline::at(when), std::move(ready));
  }

  // ---- waiting with another lock, which is held once
  template <detail::BasicLockable L>
  void wait(L& lock) {
    (void)wait_until(lock, Deadline::never());
  }
  template <detail::BasicLockable L>
  [[nodiscard]] bool wait_until(L& lock, Deadline deadline) {
    Waiting waiting(*this);
    lock.unlock();
    try {
      waiting.sleep(deadline);
    } catch (...) {
      (void)lock_again(lock);
      throw;
    }
    const bool has_died = lock_again(lock);
    const bool notified = waiting.leave();
    if (has_died) throw_owner_died();
    return notified;
  }
  template <detail::BasicLockable L, class Rep, class Period>
  [[nodiscard]] bool wait_for(L& lock, const std::chrono::duration<Rep, Period>& timeout) {
    return wait_until(lock, Deadline::after(timeout));
  }
  template <detail::BasicLockable L, class Clock, class Duration>
  [[nodiscard]] bool wait_until(L& lock, const std::chrono::time_point<Clock, Duration>& when) {
    return wait_until(lock, Deadline::at(when));
  }
  template <detail::BasicLockable L, std::predicate Ready>
  void wait(L& lock, Ready ready) {
    while (!ready()) wait(lock);
  }
  template <detail::BasicLockable L, std::predicate Ready>
  [[nodiscard]] bool wait_until(L& lock, Deadline deadline, Ready ready) {
    while (!ready())
      if (!wait_until(lock, deadline)) return ready();
    return true;
  }
  template <detail::BasicLockable L, class Rep, class Period, std::predicate Ready>
  [[nodiscard]] bool wait_for(L& lock, const std::chrono::duration<Rep, Period>& timeout, Ready ready) {
    return wait_until(lock, Deadline::after(timeout), std::move(ready));
  }
  template <detail::BasicLockable L, class Clock, class Duration, std::predicate Ready>
  [[nodiscard]] bool wait_until(L& lock, const std::chrono::time_point<Clock, Duration>& when, Ready ready) {
    return wait_until(lock, Deadline::at(when), std::move(ready));
  }

  // ---- notifying: those who wait now. With or without the lock.
  void notify(std::uint64_t waiters = 1);
  void notify_one() { notify(1); }
  void notify_all() { notify(std::numeric_limits<std::uint64_t>::max()); }

  // Gives up this handle.
  void close() noexcept {
    lock_.close();
    block_ = BlockRef();
  }
  [[nodiscard]] const BlockRef& block() const noexcept { return block_; }
  [[nodiscard]] Handle handle() const;
  friend bool operator==(const Condition& a, const Condition& b) noexcept { return a.block_ == b.block_; }
  friend POLYPROC_API std::ostream& operator<<(std::ostream& out, const Condition& condition);

 private:
  // A place among those who wait; what it was told and did not hear goes to the next.
  class POLYPROC_API Waiting {
   public:
    explicit Waiting(const Condition& condition);
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
    ~Waiting();
    // Until it was notified, or the deadline.
    void sleep(Deadline deadline);
    // With the lock held again; until then, a notification is not heard. Whether it was notified.
    [[nodiscard]] bool leave();

   private:
    const BlockRef& block_;
    std::uint64_t record_;
  };
  class OwnLock;

  explicit Condition(BlockRef block);
  [[noreturn]] static void throw_owner_died();

  // Whether an owner has died, of as many as it takes.
  template <class L>
  [[nodiscard]] static bool lock_again(L& lock) {
    for (bool has_died = false;;) {
      try {
        lock.lock();
        return has_died;
      } catch (const OwnerDied&) {
        has_died = true;
      }
    }
  }

  BlockRef block_;
  RLock lock_;  // at the beginning of the block
};

}  // namespace polyproc::inline v0
