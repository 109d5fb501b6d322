// SPDX-License-Identifier: MIT
// Who waits for something, in the order in which they came: a list of records in shared memory, changed in transactions only. So
// what is said to a waiter is said to that one, and what was said to one that died before it heard can be taken back.
#pragma once

#include <atomic>
#include <cstdint>

#include "arena/block_heap.hpp"
#include "arena/transaction.hpp"

namespace polyproc::inline v0 {

struct Waiter {
  std::uint64_t next;
  std::uint64_t process;            // identity
  std::uint64_t round;              // of a barrier; of a shared lock: thread << 1 | it writes
  std::atomic<std::uint32_t> told;  // 0: waits; a futex
  std::uint32_t unused;
};
struct WaiterList {
  std::uint64_t first;  // the record's block, 0: none
};

[[nodiscard]] Waiter& waiter_at(const Region& region, std::uint64_t block);
// Of the calling process, behind all others.
[[nodiscard]] std::uint64_t add_waiter(Transaction& section, WaiterList& list, std::uint64_t round = 0);
// One that is in the list.
void remove_waiter(Transaction& section, WaiterList& list, std::uint64_t block);
// Until it may have been told something, at most a slice: its process looks then whether others have died.
void sleep_as(const ArenaCore& core, std::uint64_t block, Deadline deadline);
// After the commit. It may be gone already, and its memory another one's: who sleeps there wakes up once in vain.
void wake_waiter(const ArenaCore& core, std::uint64_t block) noexcept;
// Of an object that nobody uses any more; can start again where a killed run left off.
void release_waiters(ArenaCore& core, WaiterList& list);

// The first one for which `wanted(waiter)` holds; 0: none.
template <class Wanted>
[[nodiscard]] std::uint64_t find_waiter(const Region& region, const WaiterList& list, Wanted wanted) {
  std::uint64_t block = list.first;
  while (block != 0 && !wanted(waiter_at(region, block))) block = waiter_at(region, block).next;
  return block;
}

// Tells the arena how to release the lists of locks, Semaphore, Condition, Barrier and SharedLock.
void register_waiters_release() noexcept;

}  // namespace polyproc::inline v0
