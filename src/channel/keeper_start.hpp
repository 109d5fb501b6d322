// SPDX-License-Identifier: MIT
// Finding an arena's keeper of descriptors, and starting it.
#pragma once

#include "arena/arena_core.hpp"

namespace polyproc::inline v0 {

// Connections to the keeper. Throws OsError.
// None when there is no keeper.
[[nodiscard]] LockFd find_keeper(ArenaCore& core);
// Starts one where there is none. Throws Error when that fails.
[[nodiscard]] LockFd find_or_start_keeper(ArenaCore& core);

// How the process is made that calls run_keeper with its copies of the two descriptors; returns when it has, or throws. By fork
// until something better is known, or null is given: the layer of processes can start the program anew.
using KeeperStart = void (*)(int listener, int file);
void set_keeper_start(KeeperStart start) noexcept;

}  // namespace polyproc::inline v0
