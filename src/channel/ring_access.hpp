// SPDX-License-Identifier: MIT
// How the two ends of a queue write and read their rings: what queue_put.cpp and queue_get.cpp share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <polyproc/channel/byte_queue.hpp>

#include "channel/queue_state.hpp"

namespace polyproc::inline v0 {

inline constexpr std::uint64_t kNoteCpuEvery = 16;

inline void copy_record(std::byte* to, const void* from, std::uint64_t size) noexcept {
  if (size == 8) {
    std::memcpy(to, from, 8);  // one store, no call
  } else if (size != 0) {      // an empty range may have no address
    std::memcpy(to, from, size);
  }
}

inline const RingHeader& ring_header(const std::byte* data) noexcept {
  return *reinterpret_cast<const RingHeader*>(data - sizeof(RingHeader));
}

inline void write_word(std::byte* to, std::uint64_t word) noexcept { std::memcpy(to, &word, sizeof word); }
inline std::uint64_t read_word(const std::byte* from) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, from, sizeof word);
  return word;
}

void note_current_cpu(QueueEnd& end) noexcept;
inline void note_cpu(QueueEnd& end, std::uint64_t items) noexcept {
  if (items % kNoteCpuEvery == 0) note_current_cpu(end);
}

// A ring may lie where another, smaller one lay that this handle has seen.
inline const ByteQueue::RingView& ByteQueue::view(RingView& known, std::uint64_t ring) const {
  return known.ring == ring && ring_header(known.data).capacity == known.capacity ? known
                                                                                  : map_ring(known, ring);
}

}  // namespace polyproc::inline v0
