// SPDX-License-Identifier: MIT
#include "channel/letter.hpp"

#include <cstring>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>

#include "channel/spare_entry.hpp"

namespace polyproc::inline v0 {
namespace {

std::uint64_t size_of(ArenaCore& core, std::uint64_t block) {
  return core.region().at<BlockHeader>(block).size;
}

}  // namespace

void write_letter(ArenaCore& core, std::uint64_t block, std::span<const BlockRef> references,
                  const void* data, std::uint64_t length) {
  auto& header = core.region().at<LetterHeader>(block + kBlockHeaderBytes);
  header.held = 0;
  header.capacity = references.size();
  for (std::uint64_t i = 0; i < references.size(); ++i) {
    const Handle handle = references[i].handle();
    letter_reference(core, block, i) = {handle.offset, handle.generation};
  }
  if (length != 0) std::memcpy(core.payload(block, 0) + letter_bytes(references.size(), 0), data, length);
  core.become(block, BlockKind::queue_letter);
  POLYPROC_FAIL_POINT("letter.empty");
  for (const BlockRef& reference : references) {
    core.add_reference(header.held, reference.handle().offset);
    POLYPROC_FAIL_POINT("letter.reference_added");
  }
}

LetterHeader& letter_header(ArenaCore& core, std::uint64_t block) {
  auto& header = core.region().at<LetterHeader>(block + kBlockHeaderBytes);
  const std::uint64_t room = size_of(core, block);
  if (room < sizeof header || header.capacity > (room - sizeof header) / sizeof(LetterReference) ||
      header.held > header.capacity)
    throw CorruptArena(fmt::format("queue: a message of {} bytes with {} of {} references", room, header.held,
                                   header.capacity));
  return header;
}

LetterReference& letter_reference(ArenaCore& core, std::uint64_t block, std::uint64_t number) {
  return core.region().at<LetterReference>(block + kBlockHeaderBytes + letter_bytes(number, 0));
}

const std::byte* letter_text(ArenaCore& core, std::uint64_t block, std::uint64_t length) {
  const std::uint64_t before = letter_bytes(letter_header(core, block).capacity, 0);
  if (length > size_of(core, block) - before)
    throw CorruptArena(fmt::format("queue: a message of {} bytes where there are {}", length,
                                   size_of(core, block) - before));
  return core.payload(block, before + length) + before;
}

void release_letter(ArenaCore& core, std::uint64_t block) {
  LetterHeader& header = letter_header(core, block);
  while (header.held != 0) {
    SpareEntry taken(core);
    core.take_reference(header.held, letter_reference(core, block, header.held - 1).offset, taken.entry());
    taken.now_held();
    POLYPROC_FAIL_POINT("letter.reference_taken");
  }
}

}  // namespace polyproc::inline v0
