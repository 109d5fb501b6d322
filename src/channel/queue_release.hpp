// SPDX-License-Identifier: MIT
// Releasing what a queue holds besides its rings.
#pragma once

#include "channel/queue_state.hpp"

namespace polyproc::inline v0 {

// Frees the list of open items; can start again where a killed run left off.
void release_open_items(ArenaCore& core, QueueState& queue);

}  // namespace polyproc::inline v0
