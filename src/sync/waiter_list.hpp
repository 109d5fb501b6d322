// SPDX-License-Identifier: MIT
// Who waits for something, in the order in which they came: a list of records in shared memory, changed in transactions only. So
// what is said to a waiter is said to that one, and what was said to one that died before it heard can be taken back.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include <polyproc/os/deadline.hpp>

#include "arena/block_heap.hpp"
#include "arena/transaction.hpp"

namespace polyproc::inline v0 {

struct Waiter {
  std::uint64_t next;
  std::uint64_t process;  // identity
  std::uint64_t round;    // as each object says (sync_states.hpp); of a shared lock: thread << 1 | it writes
  std::atomic<std::uint32_t> told;  // 0: waits; a futex
  std::uint32_t unused;
};
struct WaiterList {
  std::uint64_t first;   // the record's block, 0: none
  std::uint64_t looked;  // when somebody last looked for the dead: monotonic ns, outside of transactions
};

[[nodiscard]] Waiter& waiter_at(const Region& region, std::uint64_t block);
// Of the calling process, behind all others.
[[nodiscard]] std::uint64_t add_waiter(Transaction& section, WaiterList& list, std::uint64_t round = 0);
// One that is in the list.
void remove_waiter(Transaction& section, WaiterList& list, std::uint64_t block);
// Looking for the dead asks the kernel about each record. So of all who wait one does it in each slice: true for the one
// that is to do so now. A death is met within a slice by somebody who sleeps in sleep_as, and so are a killed process's half-done wake-ups.
[[nodiscard]] bool claim_look(WaiterList& list) noexcept;
// The same as of now, by who looks in any case: it will not look again.
void note_look(WaiterList& list) noexcept;
// Until it may have been told something, or the deadline; true when its process is to look for the dead.
[[nodiscard]] bool sleep_as(const ArenaCore& core, WaiterList& list, std::uint64_t block, Deadline deadline);
// Until then nobody else looks, at most a slice.
[[nodiscard]] std::chrono::nanoseconds until_look(const WaiterList& list) noexcept;
[[nodiscard]] inline std::uint64_t first_waiter(const WaiterList& list) noexcept {
  return std::atomic_ref(const_cast<std::uint64_t&>(list.first)).load();
}
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
