// SPDX-License-Identifier: MIT
// The byte core of Value and Array: a block that begins with a lock, then the elements at their alignment.
#include <limits>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>
#include <polyproc/shared/value.hpp>

namespace polyproc::inline v0::detail {
namespace {

// Blocks begin on a cache line behind their header, so the lock keeps every alignment up to its own size. A larger one
// is made up for at run time, the same in every process: the arena is mapped on a page boundary.
std::uint64_t padding(const std::byte* payload, std::uint64_t align) noexcept {
  const auto first = reinterpret_cast<std::uintptr_t>(payload) + kLockBytes;
  return (align - first % align) % align;
}

std::uint64_t room_for_alignment(std::uint64_t align) noexcept { return align > kLockBytes ? align : 0; }

}  // namespace

BlockRef make_elements(const Arena& arena, BlockKind kind, const ElementType& type, std::uint64_t count,
                       bool zeroed) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max() / 2;
  if (count > kMost / type.size) {
    throw InvalidArgument(
        fmt::format("creating a shared array: {} elements of {} bytes are more than an address space holds",
                    count, type.size));
  }
  const std::uint64_t bytes = kLockBytes + room_for_alignment(type.align) + count * type.size;
  BlockRef block = BlockRef::create(arena, kind, type, bytes, zeroed);
  if (!zeroed) std::fill_n(block.data(), kLockBytes, std::byte{0});
  return block;
}

BlockRef checked_elements(BlockRef block, BlockKind kind, const ElementType& type) {
  check_type(block, kind, type);
  return block;
}

std::byte* elements_of(const BlockRef& block, const ElementType& type) noexcept {
  return block.data() + kLockBytes + padding(block.data(), type.align);
}

std::uint64_t element_count(const BlockRef& block, const ElementType& type) {
  return (block.size() - kLockBytes - room_for_alignment(type.align)) / type.size;
}

}  // namespace polyproc::inline v0::detail
