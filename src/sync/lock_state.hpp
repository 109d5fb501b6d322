// SPDX-License-Identifier: MIT
// The words of a Lock or RLock in shared memory, and the operations on them that other layers embed in their objects.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include <polyproc/sync/lock.hpp>

#include "arena/robust_word.hpp"
#include "sync/waiter_list.hpp"

namespace polyproc::inline v0 {

struct LockState {
  RobustWord word;
  // Of an RLock, written by its holder only: which thread of the owner process holds it (identity of the
  // process times an odd constant, plus the thread's number in it; 0: none), and how often.
  std::atomic<std::uint64_t> thread{0};
  std::uint64_t depth{0};
  // Those whose patience is at its end: while there are any, who releases leaves the word reserved.
  WaiterList waiters{};
};
static_assert(sizeof(LockState) <= kLockBytes);

// So long somebody waits before it takes a place in the order.
inline constexpr std::chrono::milliseconds kLockPatience{10};

// What tells the calling thread from all others of its process. Never 0.
[[nodiscard]] std::uint64_t this_thread_number() noexcept;

}  // namespace polyproc::inline v0
