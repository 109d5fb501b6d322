// SPDX-License-Identifier: MIT
// Giving an item's descriptors to the arena's keeper, and getting them from there. Each process has at most one connection to it
// at rest, in its ArenaCore.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <polyproc/os/deadline.hpp>
#include <polyproc/os/fd.hpp>

#include "arena/arena_core.hpp"
#include "channel/keeper_protocol.hpp"

namespace polyproc::inline v0 {

// Starts the keeper where there is none. False at the deadline. Throws OsError: EMFILE when the keeper has no room, EBADF for
// a descriptor that is not open.
[[nodiscard]] bool store_parcel(ArenaCore& core, const ParcelKey& key, std::span<const int> descriptors,
                                Deadline deadline);

// All of them, which the keeper does not have any more then. Throws OsError: ECONNRESET when they are lost, because the keeper
// was killed; EMFILE when this process cannot have so many.
[[nodiscard]] std::vector<os::Fd> take_parcel(ArenaCore& core, const ParcelKey& key, std::size_t count);

// A letter with descriptors is being dropped. The keeper hears of it at once if this process is connected to it, and
// looks by itself in any case.
void report_dropped_parcel(ArenaCore& core) noexcept;

}  // namespace polyproc::inline v0
