// SPDX-License-Identifier: MIT
// Watching: to wait for several objects of an arena, of which any may be the next that is ready.
//
// Each process has a bell in the arena, which it shares with those whose slot has the same number modulo kBells: a word
// that is counted up, and on which who waits sleeps. An object that can be watched has a mask of the bells to ring,
// beside its sleepers' word (sleepers.hpp), one bit of which tells publishers to look at the mask.
//
// Who watches notes its bell's count, enters its bell into each mask, sets each bit, runs one membarrier, looks at each
// object, and sleeps while the count is what it was. Who publishes and sees the bit clears it, takes the mask, and rings
// the bells in it. So a bell that has left a mask is rung afterwards, and with the bit cleared by another publisher, that
// one has still to ring.
//
// Deaths. A publisher killed before it has rung leaves a watcher that is not entered any more: watchers enter and look
// again after kSleepSlice. A dead watcher leaves its bell in masks, which costs one needless ring each.
#pragma once

#include <cstdint>
#include <span>

#include <polyproc/sync/waitable.hpp>

#include "arena/layout.hpp"

namespace polyproc::inline v0 {

// This process's bell. Another one after a fork.
[[nodiscard]] Bell& own_bell(const ArenaCore& core) noexcept;

// By a publisher that was told so by wake_sleepers.
void ring_watchers(ArenaHeader& arena, std::atomic<std::uint32_t>& sleepers,
                   std::atomic<std::uint64_t>& watchers) noexcept;
void ring(Bell& bell) noexcept;

// By a watcher, which has noted its bell's count before: enters objects of the arena, and settles what the dead left in them. What is
// published after finish_entering rings the bell; what was published before is seen by who looks afterwards.
void enter_watcher(const ArenaCore& core, std::span<const WatchedObject> objects,
                   bool is_last_look = false) noexcept;
// Of those that are not ready.
void settle_watched(std::span<const WatchedObject> objects, bool is_last_look) noexcept;
void finish_entering(const ArenaCore& core) noexcept;

[[nodiscard]] inline bool is_ready(const WatchedObject& object) noexcept {
  return object.ready(object.state);
}
[[nodiscard]] bool any_ready(std::span<const WatchedObject> objects) noexcept;

}  // namespace polyproc::inline v0
