// SPDX-License-Identifier: MIT
// The arenas that this process is attached to, and what happens to them when the host forks: the child gets a slot
// and references of its own before it runs, whoever called fork().
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace polyproc::inline v0 {

class ArenaCore;

void register_core(const std::shared_ptr<ArenaCore>& core);
[[nodiscard]] std::shared_ptr<ArenaCore> find_core(std::uint64_t serial) noexcept;
// By the arena's id; null when this process is not attached to it.
[[nodiscard]] std::shared_ptr<ArenaCore> find_core_of_arena(std::uint64_t arena) noexcept;

}  // namespace polyproc::inline v0
