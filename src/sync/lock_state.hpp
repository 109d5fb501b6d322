// SPDX-License-Identifier: MIT
// The words of a Lock or RLock in shared memory, and the operations on them that other layers embed in their objects.
#pragma once

#include <atomic>
#include <cstdint>

#include <polyproc/sync/lock.hpp>

#include "arena/robust_word.hpp"

namespace polyproc::inline v0 {

struct LockState {
  RobustWord word;
  // Of an RLock, written by its holder only: which thread of the owner process holds it (identity of the
  // process times an odd constant, plus the thread's number in it; 0: none), and how often.
  std::atomic<std::uint64_t> thread{0};
  std::uint64_t depth{0};
};
static_assert(sizeof(LockState) <= kLockBytes);

// What tells the calling thread from all others of its process. Never 0.
[[nodiscard]] std::uint64_t this_thread_number() noexcept;

}  // namespace polyproc::inline v0
