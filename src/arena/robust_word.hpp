// SPDX-License-Identifier: MIT
// The lock under every lock of polyproc: one 64-bit word in shared memory that names its owner process, without
// pointers. A waiter that finds the owner dead takes the word over and is told so.
//
// The word: 0 free; else generation << 32 | waiters << 31 | slot + 1 (the identity of a process, ArenaCore::identity).
// The waiters bit says that somebody may sleep on the low half. It is set by a sleeper before it sleeps and by whoever
// acquires after having slept (others may sleep on), and it goes with the release, which then wakes one.
//
// Whoever takes the word does so with acquire and release. Acquire: what the last holder wrote. Release: who reads this
// process's identity in the word must also see the slot that it names taken, else it would find the slot's generation
// wrong and take the lock from the living. A dead owner released nothing; what it wrote is seen because the kernel's
// answer about its file lock comes after all that it did.
//
// Deaths. Of the owner: sleepers look again after a bounded slice and ask the kernel (os/file_lock.hpp). Of a releaser
// between its store and its wake, or of the process that was woken: the wake is lost, and the next sleeper's slice
// ends within Patience::longest. A dead waiter leaves at most the bit, which costs one needless wake.
#pragma once

#include <chrono>
#include <cstdint>

#include <polyproc/os/deadline.hpp>

#include "arena/layout.hpp"

namespace polyproc::inline v0 {

class ArenaCore;

enum class Claim { taken, taken_from_dead, timed_out };

// How long a sleeper trusts that it will be woken: the first slice, doubled up to the longest.
struct Patience {
  std::chrono::nanoseconds first;
  std::chrono::nanoseconds longest;
};
inline constexpr Patience kInternalPatience{std::chrono::milliseconds(1), std::chrono::milliseconds(20)};
inline constexpr Patience kUserPatience{std::chrono::milliseconds(5), std::chrono::milliseconds(40)};

inline constexpr std::uint64_t kWaitersBit = std::uint64_t{1} << 31;
// Of user locks alone (sync/lock_state.hpp): free, but for the one whose turn it is. To all others as if it were held.
inline constexpr std::uint64_t kReserved = kWaitersBit;

[[nodiscard]] inline std::uint64_t owner_of(std::uint64_t word) noexcept { return word & ~kWaitersBit; }

[[nodiscard]] inline bool try_acquire(RobustWord& word, std::uint64_t identity) noexcept {
  std::uint64_t free = 0;
  return word.value.compare_exchange_strong(free, identity, std::memory_order_acq_rel,
                                            std::memory_order_relaxed);
}

[[nodiscard]] Claim acquire_slow(RobustWord& word, ArenaCore& core, Deadline deadline,
                                 Patience patience) noexcept;

[[nodiscard]] Claim acquire(RobustWord& word, ArenaCore& core, Deadline deadline, Patience patience) noexcept;

void wake_waiter(RobustWord& word) noexcept;

// Whoever holds the word, or acts for its holder, frees it.
inline void release(RobustWord& word) noexcept {
  const std::uint64_t old = word.value.exchange(0, std::memory_order_release);
  if ((old & kWaitersBit) != 0) wake_waiter(word);
}

}  // namespace polyproc::inline v0
