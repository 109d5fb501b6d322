// SPDX-License-Identifier: MIT
// A robust mutex that is nearly free for the thread that used it last: such a lock is biased to that thread, which
// then enters with two plain stores and one load. Whoever else comes takes the mutex inside, withdraws the bias, runs
// membarrier(2) and waits until the owner is outside or dead. Locks that change hands often stay plain for a while.
// Design, measurements and proof: docs/decisions/0003-biased-ends.md; model: tests/model.
//
// Who may be inside: the thread named by `bias` whose ThreadSlot::inside names this lock, else the holder of `mutex`
// while owner is 0. A thread is inside of at most one biased lock at a time.
//
// Why the revoker never overlaps the owner. Owner: inside = lock; read bias; section; inside = 0. Revoker: bias = 0;
// membarrier; read inside. The membarrier is a full barrier at some point of the owner's program: before its store of
// `inside`, then the owner's load sees bias 0; between, then the revoker sees the owner inside and waits; after
// `inside = 0`, then the section is over and visible. `inside = 0` is a release store, read with acquire.
//
// Deaths. Owner inside: the kernel reports it dead, the revoker goes on and says so. Revoker: `owner` is cleared only
// after the wait, so the next holder of `mutex` repeats the revocation. Between owner = me and bias = me: the next
// holder revokes a bias that nobody has. Slots carry generations: a bias never matches a later thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include <polyproc/os/deadline.hpp>
#include <polyproc/os/fail_point.hpp>

#include "arena/arena_core.hpp"

namespace polyproc::inline v0 {

struct BiasedMutex {
  alignas(64) std::atomic<std::uint64_t> bias{
      0};                                  // ThreadSlot::id of who may enter without `mutex`, 0: nobody
  std::array<std::uint64_t, 7> guarded{};  // for the section's own words: on the owner's line
  alignas(64) RobustWord mutex;            // guards what follows
  std::uint64_t owner{0};                  // to whom the bias was granted, 0: nobody
  std::uint64_t last{0};                   // the last thread that took `mutex`
  std::uint64_t granted_at{0};             // nanoseconds of the monotonic clock
  std::uint32_t run{0};                    // sections in a row by `last`
  std::uint32_t need{1};                   // sections in a row that earn the bias
};

class BiasedSection {
 public:
  // Throws when the calling thread has no slot yet and can have none: UsageError in a process that is not attached.
  BiasedSection(BiasedMutex& lock, ArenaCore& core)
      : lock_(lock), core_(core), thread_(core.thread_slot()), tag_(core.region().offset_of(&lock)) {}
  BiasedSection(const BiasedSection&) = delete;
  BiasedSection& operator=(const BiasedSection&) = delete;
  ~BiasedSection() {
    if (state_ != State::outside) leave();
  }

  // False when the deadline passed first; one that has passed already counts from now on for 1 s. `enter` may be called again after `leave`.
  [[nodiscard]] bool enter(Deadline deadline) { return enter_biased() || enter_slow(deadline); }

  // False unless the lock is biased to this thread.
  [[nodiscard]] bool enter_biased() noexcept {
    thread_.inside.store(tag_, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    POLYPROC_FAIL_POINT("biased_mutex.announced");
    if (lock_.bias.load(std::memory_order_acquire) == thread_.id.load(std::memory_order_relaxed)) [[likely]] {
      state_ = State::biased;
      return true;
    }
    thread_.inside.store(0, std::memory_order_release);
    return false;
  }

  void leave() noexcept {
    if (state_ == State::biased) [[likely]] {
      thread_.inside.store(0, std::memory_order_release);
      std::atomic_signal_fence(std::memory_order_seq_cst);
      if (lock_.bias.load(std::memory_order_relaxed) != thread_.id.load(std::memory_order_relaxed))
          [[unlikely]] {
        wake_revoker();
      }
    } else {
      release(lock_.mutex);
    }
    state_ = State::outside;
  }

  // The last holder died inside.
  [[nodiscard]] bool owner_died() const noexcept { return owner_died_; }

 private:
  enum class State { outside, biased, plain };

  [[nodiscard]] bool enter_slow(Deadline deadline);
  [[nodiscard]] bool revoke(Deadline deadline);
  [[nodiscard]] bool earned_bias() noexcept;
  void wake_revoker() noexcept;

  BiasedMutex& lock_;
  ArenaCore& core_;
  ThreadSlot& thread_;
  std::uint64_t tag_;
  State state_ = State::outside;
  bool owner_died_ = false;
};

}  // namespace polyproc::inline v0
