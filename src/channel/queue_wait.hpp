// SPDX-License-Identifier: MIT
// Sleeping on a word that publishers look at without a fence; the protocol is described in queue_wait.cpp.
#pragma once

#include <atomic>
#include <cstdint>

#include <polyproc/os/deadline.hpp>

#include "channel/queue_state.hpp"

namespace polyproc::inline v0 {

void wake_announced(std::atomic<std::uint32_t>& sleepers, std::uint32_t seen, std::uint64_t count) noexcept;

// By a publisher, after it has published: wakes up to `count` of who may sleep.
inline void wake_sleepers(std::atomic<std::uint32_t>& sleepers, bool fenced, std::uint64_t count) noexcept {
  if (fenced) std::atomic_thread_fence(std::memory_order_seq_cst);
  std::atomic_signal_fence(std::memory_order_seq_cst);  // the compiler keeps the order too
  const std::uint32_t seen = sleepers.load(std::memory_order_relaxed);
  if ((seen & 1) != 0) [[unlikely]]
    wake_announced(sleepers, seen, count);
}

// By a waiter: announce, look once more, sleep. Wakes up at the latest after a slice of 50 ms.
[[nodiscard]] std::uint32_t announce_sleeper(std::atomic<std::uint32_t>& sleepers, bool fenced) noexcept;
void sleep_announced(const std::atomic<std::uint32_t>& sleepers, std::uint32_t announced,
                     Deadline deadline) noexcept;

void note_current_cpu(QueueEnd& end) noexcept;

}  // namespace polyproc::inline v0
