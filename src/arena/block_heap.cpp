// SPDX-License-Identifier: MIT
#include "arena/block_heap.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <limits>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>

namespace polyproc::inline v0 {
namespace {

unsigned class_for(std::uint64_t total) {
  return static_cast<unsigned>(std::lower_bound(std::begin(kClassBytes), std::end(kClassBytes), total) -
                               std::begin(kClassBytes));
}

}  // namespace

SlabWord SlabWord::unpack(std::uint64_t word) noexcept {
  return {static_cast<std::uint16_t>(word), static_cast<std::uint16_t>(word >> 16),
          static_cast<std::uint16_t>(word >> 32), static_cast<std::uint16_t>(word >> 48)};
}

std::uint64_t SlabWord::pack() const noexcept {
  return std::uint64_t{free} | std::uint64_t{ever_used} << 16 | std::uint64_t{used} << 32 |
         std::uint64_t{size_class} << 48;
}

BlockHeader* BlockHeap::find(const Region& region, std::uint64_t offset) {
  const ArenaHeader& arena = region.header();
  const std::uint64_t page = offset / kPageSize;
  if (page < arena.first_page || page >= arena.end_page) return nullptr;
  if (region.page(page).state == PageState::large_block && offset % kPageSize == 0)
    return &region.at<BlockHeader>(offset);
  const PageDescriptor& slab = region.page(slab_of(page));
  if (slab.state != PageState::slab) return nullptr;
  const SlabWord word = SlabWord::unpack(slab.slab);
  const std::uint64_t distance = offset - slab_of(page) * kPageSize;
  if (word.size_class >= kSizeClasses || distance % kClassBytes[word.size_class] != 0) return nullptr;
  return distance / kClassBytes[word.size_class] < word.ever_used ? &region.at<BlockHeader>(offset) : nullptr;
}

BlockHeader& BlockHeap::header(const Region& region, std::uint64_t offset) {
  auto& block = region.at<BlockHeader>(offset);
  if (block.state.load(std::memory_order_relaxed) >> 32 != kBlockMagic) {
    throw CorruptArena(fmt::format("{}: there is no object at offset {}", region.name(), offset));
  }
  return block;
}

BlockHeap::Place BlockHeap::allocate(std::uint64_t bytes, BlockKind kind) {
  const std::uint64_t total =
      bytes > std::numeric_limits<std::uint64_t>::max() - kBlockHeaderBytes - kPageSize
          ? std::numeric_limits<std::uint64_t>::max() - kPageSize
          : bytes + kBlockHeaderBytes;
  const unsigned size_class = class_for(total);
  const Place place = size_class < kSizeClasses ? allocate_in_slab(size_class, total) : allocate_run(total);
  ArenaHeader& arena = section_.header();
  const std::uint64_t generation = arena.next_generation;
  section_.set(arena.next_generation, generation + 1);
  section_.set(arena.used_blocks, arena.used_blocks + 1);
  auto& block = section_.region().at<BlockHeader>(place.offset);
  section_.set(block.size, bytes);  // the place's link while it was free
  block.generation.store(generation, std::memory_order_relaxed);
  block.kind = kind;
  block.layout_version = kLayoutVersion;
  block.element_size = block.element_align = 0;
  block.format[0] = '\0';
  section_.set(block.state, kBlockMagic << 32 | 1);
  return place;
}

std::uint64_t BlockHeap::allocate_table(std::uint64_t bytes) {
  pages_.ignore_limit();
  const Place place = allocate(bytes, BlockKind::bytes);
  if (place.needs_commit) PageHeap::commit_run(section_.region(), place.offset / kPageSize);
  std::byte* payload = section_.region().bytes(place.offset + kBlockHeaderBytes, bytes);
  std::memset(payload, 0, std::min(bytes, place.dirty_bytes));
  return place.offset;
}

BlockHeap::Place BlockHeap::allocate_run(std::uint64_t total) {
  const auto run = pages_.allocate((total + kPageSize - 1) / kPageSize, PageState::large_block);
  const std::uint64_t dirty = run.dirty_pages * kPageSize;
  return {run.page * kPageSize, dirty > kBlockHeaderBytes ? dirty - kBlockHeaderBytes : 0, run.needs_commit};
}

BlockHeap::Place BlockHeap::allocate_in_slab(unsigned size_class, std::uint64_t total) {
  std::uint32_t& first = section_.header().slabs[size_class];
  if (first == 0) {
    const std::uint64_t page = pages_.allocate(kSlabPages, PageState::slab).page;
    section_.set(section_.region().page(page).slab,
                 SlabWord{.size_class = static_cast<std::uint16_t>(size_class)}.pack());
    link_slab(page, size_class);
  }
  const std::uint64_t page = first;
  PageDescriptor& slab = section_.region().page(page);
  SlabWord word = SlabWord::unpack(slab.slab);
  const std::uint64_t index = word.free != 0 ? word.free - 1u : word.ever_used;
  const std::uint64_t offset = page * kPageSize + index * kClassBytes[size_class];
  if (word.free != 0) {
    word.free = static_cast<std::uint16_t>(section_.region().at<BlockHeader>(offset).size);
  } else {
    ++word.ever_used;
    section_.region().at<BlockHeader>(offset).state.store(
        0, std::memory_order_relaxed);  // reused pages are not zero
  }
  ++word.used;
  section_.set(slab.slab, word.pack());
  if (word.used == places_in_slab(size_class)) unlink_slab(page, size_class);
  return {offset, total - kBlockHeaderBytes, false};
}

void BlockHeap::link_slab(std::uint64_t page, unsigned size_class) {
  std::uint32_t& first = section_.header().slabs[size_class];
  PageDescriptor& slab = section_.region().page(page);
  section_.set(slab.next, first);
  section_.set(slab.prev, 0);
  if (first != 0) section_.set(section_.region().page(first).prev, static_cast<std::uint32_t>(page));
  section_.set(first, static_cast<std::uint32_t>(page));
}

void BlockHeap::unlink_slab(std::uint64_t page, unsigned size_class) {
  const Region& region = section_.region();
  const PageDescriptor& slab = region.page(page);
  if (slab.next != 0) section_.set(region.page(slab.next).prev, slab.prev);
  section_.set(slab.prev != 0 ? region.page(slab.prev).next : section_.header().slabs[size_class], slab.next);
}

void BlockHeap::free(std::uint64_t offset) {
  const Region& region = section_.region();
  BlockHeader& block = header(region, offset);
  ArenaHeader& arena = section_.header();
  section_.set(arena.used_blocks, arena.used_blocks - 1);
  section_.set(block.state, 0);
  const std::uint64_t page = offset / kPageSize;
  if (region.page(page).state == PageState::large_block) return pages_.release(page);
  free_in_slab(slab_of(page), offset, block);
}

void BlockHeap::free_in_slab(std::uint64_t page, std::uint64_t offset, BlockHeader& block) {
  PageDescriptor& slab = section_.region().page(page);
  SlabWord word = SlabWord::unpack(slab.slab);
  if (slab.state != PageState::slab || word.size_class >= kSizeClasses) {
    throw CorruptArena(
        fmt::format("{}: the block at offset {} lies in no slab", section_.region().name(), offset));
  }
  const unsigned size_class = word.size_class;
  const bool was_full = word.used == places_in_slab(size_class);
  section_.set(block.size, word.free);
  word.free = static_cast<std::uint16_t>((offset - page * kPageSize) / kClassBytes[size_class] + 1);
  --word.used;
  section_.set(slab.slab, word.pack());
  if (was_full) link_slab(page, size_class);
  const bool only_one = section_.header().slabs[size_class] == page && slab.next == 0;
  if (word.used == 0 &&
      !only_one) {  // the last one of its class stays, else one object would come and go with a slab
    unlink_slab(page, size_class);
    pages_.release(page);
  }
}

}  // namespace polyproc::inline v0
