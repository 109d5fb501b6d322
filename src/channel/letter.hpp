// SPDX-License-Identifier: MIT
// A letter: the block of a message that names shared objects. It holds a counted reference to each, so that they live as
// long as it does, and whoever drops it releases them without knowing what the message means.
//
// Payload: LetterHeader, `capacity` LetterReferences, the message's bytes. The first `held` references are counted; a
// reference and `held` change in one critical section of the arena.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <polyproc/arena/block_ref.hpp>

#include "arena/arena_core.hpp"

namespace polyproc::inline v0 {

struct LetterHeader {
  std::uint64_t held;
  std::uint64_t capacity;
};
struct LetterReference {
  std::uint64_t offset;  // of the block
  std::uint64_t generation;
};

[[nodiscard]] constexpr std::uint64_t letter_bytes(std::uint64_t references, std::uint64_t length) noexcept {
  return sizeof(LetterHeader) + references * sizeof(LetterReference) + length;
}

// Makes a letter of a new block of letter_bytes(...) bytes, which must be a queue message until now.
void write_letter(ArenaCore& core, std::uint64_t block, std::span<const BlockRef> references,
                  const void* data, std::uint64_t length);
// The header, checked against the block's size. Throws CorruptArena.
[[nodiscard]] LetterHeader& letter_header(ArenaCore& core, std::uint64_t block);
[[nodiscard]] LetterReference& letter_reference(ArenaCore& core, std::uint64_t block, std::uint64_t number);
// Where the message's bytes are, `length` of them.
[[nodiscard]] const std::byte* letter_text(ArenaCore& core, std::uint64_t block, std::uint64_t length);
// What the letter holds; can start again where a killed run left off.
void release_letter(ArenaCore& core, std::uint64_t block);

}  // namespace polyproc::inline v0
