// SPDX-License-Identifier: MIT
// How arenas come to be: a file is laid out before anybody else can see it.
#pragma once

#include <memory>
#include <string>

#include <polyproc/arena/arena.hpp>
#include <polyproc/os/fd.hpp>

#include "arena/arena_core.hpp"

namespace polyproc::inline v0 {

// Lays out a new arena in an empty file and maps it.
[[nodiscard]] std::unique_ptr<Region> make_region(os::Fd fd, const ArenaOptions& options,
                                                  const std::string& name, bool on_file_system);
// Maps an existing arena; throws TypeMismatch when it was laid out by an incompatible program.
[[nodiscard]] std::unique_ptr<Region> open_region(os::Fd fd, const std::string& name, bool on_file_system);

// Makes `core` the arena of this process's family: a spawned child's.
void join_family(std::shared_ptr<ArenaCore> core);
void lock_family_for_fork();
void unlock_family_after_fork();

}  // namespace polyproc::inline v0
