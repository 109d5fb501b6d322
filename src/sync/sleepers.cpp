// SPDX-License-Identifier: MIT
#include "sync/sleepers.hpp"

#include <algorithm>
#include <chrono>
#include <limits>

#include <polyproc/os/fail_point.hpp>

#include "os/futex.hpp"
#include "os/membarrier.hpp"

namespace polyproc::inline v0 {

void wake_announced(std::atomic<std::uint32_t>& sleepers, std::uint32_t seen, std::uint64_t count) noexcept {
  POLYPROC_FAIL_POINT("sleepers.before_wake");
  int most = static_cast<int>(std::min<std::uint64_t>(count, std::numeric_limits<int>::max()));
  do {
    most -= os::futex_wake(sleepers, most);
    if (most <= 0) return;
    // Who has announced itself since may not have seen what was published, and may fall asleep: begin again.
  } while (!sleepers.compare_exchange_strong(seen, seen & ~(kSleepersAsleep | kSleepersArmed)) &&
           (seen & kSleepersAsleep) != 0);
  // One who announced itself before the last wake may have fallen asleep after it, on the value that has just changed.
  POLYPROC_FAIL_POINT("sleepers.between_wakes");
  os::futex_wake(sleepers, 1);
}

std::uint32_t announce_sleeper(std::atomic<std::uint32_t>& sleepers, bool fenced) noexcept {
  std::uint32_t seen = sleepers.load(std::memory_order_relaxed);
  std::uint32_t announced = 0;
  do {
    announced = (seen + kSleepersCount) | kSleepersAsleep;
  } while (!sleepers.compare_exchange_weak(seen, announced));
  POLYPROC_FAIL_POINT("sleepers.announced");
  if ((announced & kSleepersArmed) != 0) return announced;
  if (fenced) {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return announced;
  }
  os::global_membarrier();
  if (!sleepers.compare_exchange_strong(seen = announced, announced | kSleepersArmed)) return announced;
  return announced | kSleepersArmed;
}

void sleep_announced(const std::atomic<std::uint32_t>& sleepers, std::uint32_t announced,
                     Deadline deadline) noexcept {
  os::futex_wait(sleepers, announced, deadline.remaining(kSleepSlice));
  POLYPROC_FAIL_POINT("sleepers.woken");
}

}  // namespace polyproc::inline v0
