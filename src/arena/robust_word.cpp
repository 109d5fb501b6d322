// SPDX-License-Identifier: MIT
#include "arena/robust_word.hpp"

#include <algorithm>

#include <polyproc/os/fail_point.hpp>

#include "arena/arena_core.hpp"
#include "os/cpu.hpp"
#include "os/futex.hpp"

namespace polyproc::inline v0 {
namespace {

constexpr int kSpins = 200;

bool spin(RobustWord& word, std::uint64_t identity) noexcept {
  if (os::online_cpus() == 1) return false;
  for (int i = 0; i < kSpins; ++i) {
    if (word.value.load(std::memory_order_relaxed) == 0 && try_acquire(word, identity)) return true;
    os::cpu_relax();
  }
  return false;
}

}  // namespace

void wake_waiter(RobustWord& word) noexcept {
  POLYPROC_FAIL_POINT("robust_word.before_wake");
  os::futex_wake(word.value, 1);
}

Claim acquire(RobustWord& word, ArenaCore& core, Deadline deadline, Patience patience) noexcept {
  if (try_acquire(word, core.identity())) return Claim::taken;
  return acquire_slow(word, core, deadline, patience);
}

Claim acquire_slow(RobustWord& word, ArenaCore& core, Deadline deadline, Patience patience) noexcept {
  const std::uint64_t me = core.identity();
  if (!deadline.is_now() && spin(word, me)) return Claim::taken;
  std::uint64_t others = 0;  // the waiters bit once we have slept
  for (auto slice = patience.first;;) {
    std::uint64_t seen = word.value.load(std::memory_order_acquire);
    if (seen == 0) {
      if (word.value.compare_exchange_strong(seen, me | others, std::memory_order_acq_rel,
                                             std::memory_order_relaxed))
        return Claim::taken;
      continue;
    }
    if (seen != kReserved && !core.alive(owner_of(seen))) {
      if (word.value.compare_exchange_strong(seen, me | kWaitersBit, std::memory_order_acq_rel,
                                             std::memory_order_relaxed)) {
        return Claim::taken_from_dead;
      }
      continue;
    }
    if (deadline.passed()) return Claim::timed_out;
    if ((seen & kWaitersBit) == 0 && !word.value.compare_exchange_weak(seen, seen | kWaitersBit)) continue;
    POLYPROC_FAIL_POINT("robust_word.before_sleep");
    os::futex_wait(word.value, static_cast<std::uint32_t>(seen | kWaitersBit), deadline.remaining(slice));
    POLYPROC_FAIL_POINT("robust_word.after_sleep");
    others = kWaitersBit;
    slice = std::min(slice * 2, patience.longest);
  }
}

}  // namespace polyproc::inline v0
