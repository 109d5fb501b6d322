// SPDX-License-Identifier: MIT
// Sleeping on a word in shared memory that publishers look at without a fence.
//
// The word: announcements << 3 | watched << 2 | armed << 1 | 1 when somebody may sleep on it. Who is about to sleep
// announces itself (the word changes and its lowest bit is set), runs a membarrier, looks once more, and sleeps on the
// value it wrote. Armed: a membarrier has run since that bit was set, so that it need not be repeated; on an idle machine
// it costs more than the rest of a sleep. Who has published loads the word without a fence of its own: either it sees the
// announcement, or the sleeper's last look saw what was published. It wakes one sleeper per item; when the kernel finds
// too few, it clears the bits, or begins again if somebody has announced itself since, and wakes once more: for one that
// fell asleep between the two. Watched: somebody waits for this among other objects, and sleeps elsewhere (watch.hpp).
//
// Deaths. A wake-up that a killed process carried, as waker or as woken, is lost; every sleeper looks again after
// kSleepSlice, and each later publication wakes another one while the bit is set. A dead sleeper leaves the bit, which
// costs one needless wake-up.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include <polyproc/os/deadline.hpp>

namespace polyproc::inline v0 {

inline constexpr std::uint32_t kSleepersAsleep = 1;
inline constexpr std::uint32_t kSleepersArmed = 2;
inline constexpr std::uint32_t kSleepersWatched = 4;
inline constexpr std::uint32_t kSleepersCount = 8;

inline constexpr std::chrono::milliseconds kSleepSlice{50};

void wake_announced(std::atomic<std::uint32_t>& sleepers, std::uint32_t seen, std::uint64_t count) noexcept;

// By a publisher, after it has published: wakes up to `count` of who may sleep. True when the object is watched too.
inline bool wake_sleepers(std::atomic<std::uint32_t>& sleepers, bool fenced, std::uint64_t count) noexcept {
  if (fenced) std::atomic_thread_fence(std::memory_order_seq_cst);
  std::atomic_signal_fence(std::memory_order_seq_cst);  // the compiler keeps the order too
  const std::uint32_t seen = sleepers.load(std::memory_order_relaxed);
  if ((seen & (kSleepersAsleep | kSleepersWatched)) == 0) [[likely]]
    return false;
  if ((seen & kSleepersAsleep) != 0) wake_announced(sleepers, seen, count);
  return (seen & kSleepersWatched) != 0;
}

// By a waiter: announce, look once more, sleep. Wakes up at the latest after kSleepSlice.
[[nodiscard]] std::uint32_t announce_sleeper(std::atomic<std::uint32_t>& sleepers, bool fenced) noexcept;
void sleep_announced(const std::atomic<std::uint32_t>& sleepers, std::uint32_t announced,
                     Deadline deadline) noexcept;

}  // namespace polyproc::inline v0
