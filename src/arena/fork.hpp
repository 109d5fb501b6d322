// SPDX-License-Identifier: MIT
// The arenas that this process is attached to, and what happens to them when the host forks: the child gets a slot
// and references of its own before it runs, whoever called fork().
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <vector>

namespace polyproc::inline v0 {

class ArenaCore;

// The handlers of fork() are in place from here on. Throws OsError when the system refuses.
void handle_forks();
// The core that this process uses of this arena: `core`, or the one that another thread registered first.
[[nodiscard]] std::shared_ptr<ArenaCore> register_core(const std::shared_ptr<ArenaCore>& core);
[[nodiscard]] std::shared_ptr<ArenaCore> find_core(std::uint64_t serial) noexcept;
// By the arena's id; null when this process is not attached to it.
[[nodiscard]] std::shared_ptr<ArenaCore> find_core_of_arena(std::uint64_t arena) noexcept;

// What fork() did for a child, for whoever will see the child's end and then recovers what it held.
struct ForkRecord {
  struct Embryo {
    std::weak_ptr<ArenaCore> core;
    std::uint64_t identity;
  };
  std::vector<Embryo> embryos;
  std::exception_ptr failure;    // why an arena had no place for the child, which then is not attached to it
  std::exception_ptr not_taken;  // in the child: why it could not take a place that there was
};
// Until it is called with null, forks of the calling thread are written down in `record`, on both sides.
void record_forks(ForkRecord* record) noexcept;

// As fork(), for a child that takes no part in any arena, and has the descriptors of LockFd open: it does little, and ends by
// _exit.
[[nodiscard]] pid_t fork_outsider();
// Gives up this process's connections to keepers of descriptors; the next use makes another one.
void close_links() noexcept;

// The handlers of fork(), for a child that is made by other means.
struct ArenaForks {
  static void before();
  static void in_parent();
  static void in_child();
};

}  // namespace polyproc::inline v0
