// SPDX-License-Identifier: MIT
#include "channel/letter.hpp"

#include <cstring>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>

#include "channel/keeper_client.hpp"
#include "channel/spare_entry.hpp"

namespace polyproc::inline v0 {
namespace {

constexpr std::uint64_t reference_at(std::uint64_t number) noexcept {
  return sizeof(LetterHeader) + number * sizeof(LetterReference);
}
constexpr std::uint64_t travelling_at(const LetterHeader& header) noexcept {
  return reference_at(header.capacity);
}
constexpr std::uint64_t text_at(const LetterHeader& header) noexcept {
  return travelling_at(header) + header.travelling * sizeof(TravellingReference);
}

std::uint64_t size_of(ArenaCore& core, std::uint64_t block) {
  return core.region().at<BlockHeader>(block).size;
}

template <class T>
void copy_to(std::byte* target, std::span<const T> source) noexcept {
  if (!source.empty()) std::memcpy(target, source.data(), source.size_bytes());
}

}  // namespace

void write_letter(ArenaCore& core, std::uint64_t block, const LetterContents& contents) {
  auto& header = core.region().at<LetterHeader>(block + kBlockHeaderBytes);
  header = {.held = 0,
            .capacity = contents.references.size(),
            .travelling = contents.travelling.size(),
            .descriptors = contents.descriptors,
            .claims = contents.claims};
  for (std::uint64_t i = 0; i < header.capacity; ++i) {
    const Handle handle = contents.references[i].handle();
    letter_reference(core, block, i) = {handle.offset, handle.generation};
  }
  copy_to(core.payload(block, 0) + travelling_at(header), contents.travelling);
  copy_to(core.payload(block, 0) + text_at(header), contents.text);
  core.become(block, BlockKind::queue_letter);
  POLYPROC_FAIL_POINT("letter.empty");
  for (const BlockRef& reference : contents.references) {
    core.add_reference(header.held, reference.handle().offset);
    POLYPROC_FAIL_POINT("letter.reference_added");
  }
}

LetterHeader& letter_header(ArenaCore& core, std::uint64_t block) {
  auto& header = core.region().at<LetterHeader>(block + kBlockHeaderBytes);
  const std::uint64_t size = size_of(core, block);
  const std::uint64_t room = size < sizeof header ? 0 : size - sizeof header;
  if (size < sizeof header || header.capacity > room / sizeof(LetterReference) ||
      header.travelling > (room - header.capacity * sizeof(LetterReference)) / sizeof(TravellingReference) ||
      header.held > header.capacity)
    throw CorruptArena(
        fmt::format("queue: a message of {} bytes with {} of {} references, {} to other arenas", size,
                    header.held, header.capacity, header.travelling));
  return header;
}

LetterReference& letter_reference(ArenaCore& core, std::uint64_t block, std::uint64_t number) {
  return core.region().at<LetterReference>(block + kBlockHeaderBytes + reference_at(number));
}

std::span<const TravellingReference> letter_travelling(ArenaCore& core, std::uint64_t block) {
  const LetterHeader& header = letter_header(core, block);
  const std::byte* first = core.payload(block, text_at(header)) + travelling_at(header);
  return {reinterpret_cast<const TravellingReference*>(first), header.travelling};
}

const std::byte* letter_text(ArenaCore& core, std::uint64_t block, std::uint64_t length) {
  const std::uint64_t before = text_at(letter_header(core, block));
  if (length > size_of(core, block) - before)
    throw CorruptArena(fmt::format("queue: a message of {} bytes where there are {}", length,
                                   size_of(core, block) - before));
  return core.payload(block, before + length) + before;
}

ParcelKey parcel_of(ArenaCore& core, std::uint64_t block) {
  return {block, core.region().at<BlockHeader>(block).generation.load(std::memory_order_relaxed)};
}

void release_letter(ArenaCore& core, std::uint64_t block) {
  LetterHeader& header = letter_header(core, block);
  if (header.descriptors + header.claims != 0) {
    report_dropped_parcel(core);
    POLYPROC_FAIL_POINT("letter.parcel_dropped");
  }
  while (header.held != 0) {
    SpareEntry taken(core);
    core.take_reference(header.held, letter_reference(core, block, header.held - 1).offset, taken.entry());
    taken.now_held();
    POLYPROC_FAIL_POINT("letter.reference_taken");
  }
}

}  // namespace polyproc::inline v0
