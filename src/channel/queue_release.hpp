// SPDX-License-Identifier: MIT
// Releasing what a queue holds besides its rings.
#pragma once

#include "channel/queue_state.hpp"

namespace polyproc::inline v0 {

// Tells the arena how to release a queue's contents. Called by every queue: a static link would leave out a file that
// nobody names.
void register_queue_release() noexcept;

// Frees the list of open items; can start again where a killed run left off.
void release_open_items(ArenaCore& core, QueueState& queue);

}  // namespace polyproc::inline v0
