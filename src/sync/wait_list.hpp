// SPDX-License-Identifier: MIT
// What wait() and Watcher wait for, sorted into objects in shared memory and descriptors, and a look at all of them.
#pragma once

#include <poll.h>

#include <cstddef>
#include <span>
#include <vector>

#include <polyproc/sync/waitable.hpp>

namespace polyproc::inline v0 {

struct WaitList {
  // Throws OsError for a negative descriptor.
  explicit WaitList(std::span<const Waitable> objects);

  // The positions of those that are ready, ascending. Throws OsError for a descriptor that is not open.
  [[nodiscard]] std::vector<std::size_t> look(bool is_last = false);
  // The same after `descriptors` have been polled.
  [[nodiscard]] std::vector<std::size_t> found() const;
  [[nodiscard]] bool is_one_arena() const noexcept;

  std::vector<WatchedObject> shared;
  std::vector<std::size_t> shared_positions;
  std::vector<pollfd> descriptors;  // may be followed by others of the caller's
  std::vector<std::size_t> descriptor_positions;
};

}  // namespace polyproc::inline v0
