// SPDX-License-Identifier: MIT
// The words of Event, Semaphore, Condition, Barrier and SharedLock in shared memory. Contracts: docs/shared-layout.md.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "sync/lock_state.hpp"
#include "sync/waiter_list.hpp"

namespace polyproc::inline v0 {

struct EventState {
  std::atomic<std::uint64_t> word;  // times it was set << 1 | is set
  // Who waits (sleepers.hpp), and who does so among other things (watch.hpp).
  std::atomic<std::uint32_t> sleepers;
  std::uint32_t unused;
  std::atomic<std::uint64_t> watchers;
};

// The word: permits << 1 | handed over. While permits are handed over, the word and the list change in transactions only.
inline constexpr std::uint64_t kHandedOver = 1;
inline constexpr std::uint64_t kOnePermit = 2;
struct SemaphoreState {
  std::atomic<std::uint64_t> word;
  std::uint64_t limit;  // of a bounded one: the first value; else the largest that the word holds
  std::uint64_t bounded;
  WaiterList waiters;  // those whose patience is at its end; told: it has a permit
  std::atomic<std::uint32_t> sleepers;
  std::uint32_t unused;
  std::atomic<std::uint64_t> watchers;
};

// Of a record: `round` is the value of `arrivals` when it came, and once it was told the value at the notification: those who came
// later do not inherit that.
struct ConditionState {
  LockState lock;
  std::array<std::uint64_t, (kLockBytes - sizeof(LockState)) / 8> padding;
  WaiterList waiters;  // told: notified
  std::uint64_t arrivals;
};

// Told: a reset has sent it away.
struct BarrierState {
  std::uint64_t parties;
  WaiterList waiters;
  std::atomic<std::uint64_t> round;    // of those that arrive now; those of earlier ones have passed
  std::atomic<std::uint64_t> broken;   // 1 until the next reset
  std::atomic<std::uint64_t> acting;   // process that runs the action of the round; 0: none
  std::atomic<std::uint32_t> changes;  // of any of this; a futex
  std::uint32_t unused;
};

// Told: holds it.
struct SharedLockState {
  WaiterList waiters;                      // who holds it, and who waits
  std::atomic<std::uint64_t> writer_died;  // 1 until somebody is told
};

}  // namespace polyproc::inline v0
