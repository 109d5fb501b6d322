// SPDX-License-Identifier: MIT
#include "sync/biased_mutex.hpp"

#include <algorithm>
#include <chrono>

#include "os/clock.hpp"
#include "os/cpu.hpp"
#include "os/futex.hpp"
#include "os/membarrier.hpp"

namespace polyproc::inline v0 {
namespace {

// A bias that is withdrawn within this time was not worth its revocation; the next one must be earned by more
// sections in a row, up to the most.
constexpr std::uint64_t kShortBias = 20'000'000;
constexpr std::uint32_t kLeastNeed = 256;
constexpr std::uint32_t kMostNeed = 1u << 20;
constexpr int kSpins = 100;
// Sections are short: who must not wait for anything waits for this long for another to leave, so that it is not told
// 'empty' of a queue that has items. Only a stopped process stays inside for longer.
constexpr std::chrono::milliseconds kCourtesy{1000};

}  // namespace

void BiasedSection::wake_revoker() noexcept { os::futex_wake(thread_.inside, 1); }

bool BiasedSection::enter_slow(Deadline deadline) {
  if (deadline.passed()) deadline = Deadline::after(kCourtesy);
  const Claim claim = acquire(lock_.mutex, core_, deadline, kInternalPatience);
  if (claim == Claim::timed_out) return false;
  owner_died_ = claim == Claim::taken_from_dead;
  state_ = State::plain;
  POLYPROC_FAIL_POINT("biased_mutex.mutex_taken");
  const std::uint64_t me = thread_.id.load(std::memory_order_relaxed);
  if (lock_.owner != 0 && lock_.owner != me && !revoke(deadline)) {
    leave();
    return false;
  }
  if (owner_died_) core_.settle_dead();
  if (lock_.owner == 0) {
    if (!earned_bias()) return true;
    lock_.owner = me;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    POLYPROC_FAIL_POINT("biased_mutex.granted");
  }
  thread_.inside.store(tag_, std::memory_order_relaxed);  // seen by the next holder of the mutex
  lock_.bias.store(me, std::memory_order_release);
  POLYPROC_FAIL_POINT("biased_mutex.biased");
  release(lock_.mutex);
  state_ = State::biased;
  return true;
}

bool BiasedSection::earned_bias() noexcept {
  const std::uint64_t me = thread_.id.load(std::memory_order_relaxed);
  if (core_.header().fenced != 0) return false;  // without membarrier nobody could take it back
  if (lock_.last != me) {
    lock_.last = me;
    lock_.run = 0;
  }
  if (++lock_.run < lock_.need) return false;
  lock_.run = 0;
  lock_.granted_at = os::monotonic_ns();
  return true;
}

bool BiasedSection::revoke(Deadline deadline) {
  lock_.bias.store(0, std::memory_order_relaxed);
  POLYPROC_FAIL_POINT("biased_mutex.bias_withdrawn");
  os::global_membarrier();
  ThreadSlot& owner = core_.thread_slot_at((lock_.owner & 0xffffffff) - 1);
  const auto outside = [&] {
    return owner.inside.load(std::memory_order_acquire) != tag_ ||
           owner.id.load(std::memory_order_acquire) != lock_.owner;
  };
  for (int i = 0; i < kSpins && !outside(); ++i) os::cpu_relax();
  for (auto slice = kInternalPatience.first; !outside();
       slice = std::min(slice * 2, kInternalPatience.longest)) {
    const std::uint64_t process = owner.process.load(std::memory_order_acquire);
    if (!core_.alive(process)) {
      owner_died_ |= !outside();
      break;
    }
    if (deadline.passed()) return false;  // `owner` stays: the next one waits on
    os::futex_wait(owner.inside, static_cast<std::uint32_t>(tag_), deadline.remaining(slice));
  }
  POLYPROC_FAIL_POINT("biased_mutex.revoked");
  const bool was_short = os::monotonic_ns() - lock_.granted_at < kShortBias;
  lock_.need = was_short ? std::min(std::max(lock_.need, kLeastNeed / 4) * 4, kMostNeed) : kLeastNeed;
  lock_.owner = 0;
  return true;
}

}  // namespace polyproc::inline v0
