// SPDX-License-Identifier: MIT
// An arena without any room, not even for what the library needs itself, which no limit of the arena's own stops.
#pragma once

#include <sys/resource.h>

#include <csignal>
#include <polyproc/arena/arena.hpp>
#include <polyproc/os/error.hpp>

#include "arena/block_heap.hpp"
#include "arena/transaction.hpp"

namespace polyproc::testing {

// By a forked child, which alone may not let files grow any more: uses up what is free for records of those who wait.
inline void use_up(const Arena& arena) {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_FSIZE, &none);
  try {
    for (;;) {
      Transaction section(arena.core());
      (void)BlockHeap(section).allocate_table(32);
      section.commit();
    }
  } catch (const ArenaFull&) {
  }
}

}  // namespace polyproc::testing
