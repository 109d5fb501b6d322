// SPDX-License-Identifier: MIT
// How many items a process has got from a joinable queue: a count that becomes valid by the very store that takes the
// item, the one to the getting end's commit. It is written inside the getting end.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "channel/queue_state.hpp"

namespace polyproc::inline v0 {

inline constexpr std::uint64_t kNeverCommitted = std::numeric_limits<std::uint64_t>::max();

// Which of the two stands when the end's word is `commit`.
[[nodiscard]] inline std::size_t standing(const OpenItems& open, std::uint64_t commit) noexcept {
  const std::uint64_t first = open.got[0].above.load(std::memory_order_relaxed);
  const std::uint64_t second = open.got[1].above.load(std::memory_order_relaxed);
  if (second >= commit) return 0;
  return first >= commit || second > first ? 1 : 0;
}

[[nodiscard]] inline std::uint64_t got_items(const OpenItems& open, std::uint64_t commit) noexcept {
  const GotItems& got = open.got[standing(open, commit)];
  return got.above.load(std::memory_order_relaxed) < commit ? got.count.load(std::memory_order_relaxed) : 0;
}

// Before `commit` grows by `items`: prepares the count that is valid from then on. A death in here leaves the old one.
inline void count_open(OpenItems& open, std::uint64_t commit, std::uint64_t items) noexcept {
  const std::uint64_t had = got_items(open, commit);
  GotItems& next = open.got[standing(open, commit) ^ 1];
  next.above.store(kNeverCommitted, std::memory_order_relaxed);
  next.count.store(had + items, std::memory_order_release);
  next.above.store(commit | 1, std::memory_order_release);
}

// Takes back what a dead process prepared and did not commit, before another's commit would make it valid.
inline void forget_uncommitted(OpenItems& open, std::uint64_t commit) noexcept {
  for (GotItems& got : open.got) {
    if (got.above.load(std::memory_order_relaxed) >= commit && got.above.load(std::memory_order_relaxed) != 0)
      got.above.store(kNeverCommitted, std::memory_order_relaxed);
  }
}

}  // namespace polyproc::inline v0
