// SPDX-License-Identifier: MIT
// Blocks: a header and a payload. Small ones are places in slabs (a run of pages per size class), larger ones runs of
// their own. A block begins and ends with one word, BlockHeader::state.
#pragma once

#include <cstdint>

#include "arena/page_heap.hpp"

namespace polyproc::inline v0 {

class BlockHeap {
 public:
  explicit BlockHeap(Transaction& section) noexcept : section_(section), pages_(section) {}

  struct Place {
    std::uint64_t offset;       // of the header
    std::uint64_t dirty_bytes;  // leading bytes of the payload that may hold old contents
    bool needs_commit;          // see PageHeap::Run
  };
  // Must be the first change of its critical section. `bytes` of payload; the block has one reference.
  [[nodiscard]] Place allocate(std::uint64_t bytes, BlockKind kind);
  void free(std::uint64_t offset);
  // The same for one of the arena's own tables: zeroed, with memory behind it, whatever the limit.
  [[nodiscard]] std::uint64_t allocate_table(std::uint64_t bytes);

  // The header at an offset that may come from anywhere, also from outside the heap, where memory must not be touched;
  // null when no block can be there.
  [[nodiscard]] static BlockHeader* find(const Region& region, std::uint64_t offset);
  // The header at `offset`; throws CorruptArena when there is no block.
  [[nodiscard]] static BlockHeader& header(const Region& region, std::uint64_t offset);

 private:
  [[nodiscard]] Place allocate_run(std::uint64_t total);
  [[nodiscard]] Place allocate_in_slab(unsigned size_class, std::uint64_t total);
  void free_in_slab(std::uint64_t slab, std::uint64_t offset, BlockHeader& block);
  void link_slab(std::uint64_t page, unsigned size_class);
  void unlink_slab(std::uint64_t page, unsigned size_class);

  Transaction& section_;
  PageHeap pages_;
};

// The bytes of a slab's state, packed so that one store changes them together.
struct SlabWord {
  std::uint16_t free = 0;       // index + 1 of the first freed place
  std::uint16_t ever_used = 0;  // places beyond were never used
  std::uint16_t used = 0;
  std::uint16_t size_class = 0;

  [[nodiscard]] static SlabWord unpack(std::uint64_t word) noexcept;
  [[nodiscard]] std::uint64_t pack() const noexcept;
};

inline constexpr std::uint64_t kSlabPages = 4;
// Bytes of a place, header included; multiples of a cache line.
inline constexpr std::uint64_t kClassBytes[kSizeClasses] = {192, 256,  320,  384,  512,  640,
                                                            768, 1024, 1280, 1536, 2048, 2624};
[[nodiscard]] inline constexpr std::uint64_t places_in_slab(unsigned size_class) noexcept {
  return kSlabPages * kPageSize / kClassBytes[size_class];
}
// The first page of the slab that a page belongs to, should it belong to one: slabs are aligned to their size.
[[nodiscard]] inline constexpr std::uint64_t slab_of(std::uint64_t page) noexcept {
  return page & ~(kSlabPages - 1);
}

}  // namespace polyproc::inline v0
