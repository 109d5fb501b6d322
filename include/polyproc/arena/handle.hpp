// SPDX-License-Identifier: MIT
// A handle names a shared object in every process of a family: the arena, the place in it, and a generation that no
// other object of the arena has ever had. It is plain data; what it names lives while somebody holds a reference.
#pragma once

#include <cstdint>

#include <polyproc/os/config.hpp>

namespace polyproc::inline v0 {

struct Handle {
  std::uint64_t arena = 0;
  std::uint64_t offset = 0;
  std::uint64_t generation = 0;

  friend bool operator==(const Handle&, const Handle&) = default;
};

// What a block of shared memory is. The numbers are part of the shared layout.
enum class BlockKind : std::uint32_t {
  bytes = 1,
  directory_node = 2,
  value = 3,
  array = 4,
  lock = 5,
  rlock = 6,
  queue = 7,
  simple_queue = 8,
  joinable_queue = 9,
  queue_ring = 10,
  queue_message = 11,
  queue_open_items = 12,
  process_message = 13,
  queue_letter = 14,
  event = 15,
  semaphore = 16,
  condition = 17,
  barrier = 18,
  shared_lock = 19,
};

}  // namespace polyproc::inline v0
