// SPDX-License-Identifier: MIT
#include "sync/watch.hpp"

#include <algorithm>
#include <bit>
#include <limits>

#include <polyproc/os/fail_point.hpp>

#include "arena/arena_core.hpp"
#include "os/futex.hpp"
#include "os/membarrier.hpp"
#include "sync/sleepers.hpp"

namespace polyproc::inline v0 {
namespace {

unsigned bell_number(const ArenaCore& core) noexcept {
  return static_cast<unsigned>((core.identity() & 0x7fffffff) % kBells);
}

}  // namespace

Bell& own_bell(const ArenaCore& core) noexcept { return core.header().bells[bell_number(core)]; }

void ring(Bell& bell) noexcept {
  bell.rings.fetch_add(1);
  POLYPROC_FAIL_POINT("watch.before_wake");
  os::futex_wake(bell.rings, std::numeric_limits<int>::max());
}

void ring_watchers(ArenaHeader& arena, std::atomic<std::uint32_t>& sleepers,
                   std::atomic<std::uint64_t>& watchers) noexcept {
  POLYPROC_FAIL_POINT("watch.seen");
  sleepers.fetch_and(~kSleepersWatched);
  POLYPROC_FAIL_POINT("watch.bit_cleared");
  std::uint64_t bells = watchers.exchange(0);
  POLYPROC_FAIL_POINT("watch.mask_taken");
  for (; bells != 0; bells &= bells - 1) ring(arena.bells[static_cast<unsigned>(std::countr_zero(bells))]);
}

void enter_watcher(const ArenaCore& core, std::span<const WatchedObject> objects,
                   bool is_last_look) noexcept {
  const std::uint64_t bell = std::uint64_t{1} << bell_number(core);
  for (const WatchedObject& object : objects) {
    // In this order: the bit must not be seen before the mask has the bell.
    if ((object.watchers->load() & bell) == 0) object.watchers->fetch_or(bell);
    if ((object.sleepers->load() & kSleepersWatched) == 0) object.sleepers->fetch_or(kSleepersWatched);
  }
  settle_watched(objects, is_last_look);
}

void settle_watched(std::span<const WatchedObject> objects, bool is_last_look) noexcept {
  for (const WatchedObject& object : objects) {
    if (object.settle != nullptr && !is_ready(object))
      object.settle(*object.core, object.state, is_last_look);
  }
}

void finish_entering(const ArenaCore& core) noexcept {
  POLYPROC_FAIL_POINT("watch.entered");
  if (core.header().fenced != 0)
    std::atomic_thread_fence(std::memory_order_seq_cst);
  else
    os::global_membarrier();
}

bool any_ready(std::span<const WatchedObject> objects) noexcept {
  return std::any_of(objects.begin(), objects.end(), is_ready);
}

}  // namespace polyproc::inline v0
