// SPDX-License-Identifier: MIT
// The keeper of an arena's descriptors: a process of its own that has the descriptors of items which are in the arena's queues.
// Shared memory cannot hold them, their sender may be gone, their receiver may not exist yet.
//
// It takes no part in the arena. It looks at the arena's file from outside: for letters that are gone, whose descriptors it
// closes, and for processes; when there is none left, it ends. It ends, too, when it has nothing and nobody is connected.
#pragma once

#include <polyproc/os/fd.hpp>

namespace polyproc::inline v0 {

inline constexpr const char* kKeeperName = "polyproc-keeper";

// In a new child with one thread: becomes the keeper, and ends with its work. `listener` has the keeper's name, and a connection
// waits there; `file` is a description of the arena's file through which nothing is locked.
[[noreturn]] void run_keeper(int listener, int file) noexcept;

}  // namespace polyproc::inline v0
