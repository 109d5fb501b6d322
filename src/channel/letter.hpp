// SPDX-License-Identifier: MIT
// A letter: the block of a message that names shared objects or descriptors. It holds a counted reference to each object of its own
// arena, so that they live as long as it does, and whoever drops it releases them without knowing what the message means. The
// descriptors, and what holds objects of other arenas, are its parcel: the arena's keeper has them as long as the letter
// exists.
//
// Payload: LetterHeader, `capacity` LetterReferences, `travelling` TravellingReferences, the message's bytes. The first `held`
// references are counted; a reference and `held` change in one critical section of the arena.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <polyproc/arena/block_ref.hpp>
#include <polyproc/channel/connection_message.hpp>

#include "arena/arena_core.hpp"
#include "channel/keeper_protocol.hpp"

namespace polyproc::inline v0 {

struct LetterHeader {
  std::uint64_t held;
  std::uint64_t capacity;
  std::uint64_t travelling;
  std::uint32_t descriptors;  // of the parcel: those that the message names, then the claims
  std::uint32_t claims;
};
static_assert(sizeof(LetterHeader) == 32);
struct LetterReference {
  std::uint64_t offset;  // of the block
  std::uint64_t generation;
};
static_assert(sizeof(TravellingReference) == 32);

// What a letter is made of.
struct LetterContents {
  std::span<const BlockRef> references;
  std::span<const TravellingReference> travelling;
  std::uint32_t descriptors = 0;
  std::uint32_t claims = 0;
  std::span<const std::byte> text;

  [[nodiscard]] std::uint64_t bytes() const noexcept {
    return sizeof(LetterHeader) + references.size() * sizeof(LetterReference) + travelling.size_bytes() +
           text.size();
  }
};

// Makes a letter of a new block of contents.bytes(), which must be a queue message until now.
void write_letter(ArenaCore& core, std::uint64_t block, const LetterContents& contents);
// The header, checked against the block's size. Throws CorruptArena.
[[nodiscard]] LetterHeader& letter_header(ArenaCore& core, std::uint64_t block);
[[nodiscard]] LetterReference& letter_reference(ArenaCore& core, std::uint64_t block, std::uint64_t number);
[[nodiscard]] std::span<const TravellingReference> letter_travelling(ArenaCore& core, std::uint64_t block);
// Where the message's bytes are, `length` of them.
[[nodiscard]] const std::byte* letter_text(ArenaCore& core, std::uint64_t block, std::uint64_t length);
// Under which the keeper has the letter's parcel.
[[nodiscard]] ParcelKey parcel_of(ArenaCore& core, std::uint64_t block);
// What the letter holds; can start again where a killed run left off.
void release_letter(ArenaCore& core, std::uint64_t block);

}  // namespace polyproc::inline v0
