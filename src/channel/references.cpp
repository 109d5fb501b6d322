// SPDX-License-Identifier: MIT
#include <polyproc/channel/references.hpp>

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/codec/decode_error.hpp>
#include <polyproc/os/error.hpp>

#include "arena/arena_core.hpp"
#include "channel/keeper_client.hpp"
#include "channel/letter.hpp"
#include "channel/travelling.hpp"

namespace polyproc::inline v0 {
namespace {

[[noreturn]] void throw_one_way() {
  throw UsageError("references of a queue's item: they are written when it is put, and read when it is got");
}

[[noreturn]] void throw_missing(const char* kind, std::uint64_t number, std::uint64_t count) {
  throw DecodeError(fmt::format("{} {} is named, and the item holds {}", kind, number, count), 0);
}

std::uint64_t place_of(const BlockRef& block, std::vector<BlockRef>& all) {
  const auto known = std::find(all.begin(), all.end(), block);
  if (known != all.end()) return static_cast<std::uint64_t>(known - all.begin());
  all.push_back(block);
  return all.size() - 1;
}

}  // namespace

std::uint64_t OutgoingReferences::add_block(const BlockRef& block) {
  block.require("putting a shared object into a queue");
  if (&block.core() == &channel_.core()) return place_of(block, blocks_) << 1;
  if (!block.core().region().on_file_system())
    throw UsageError(fmt::format(
        "putting a shared object into a queue: it lies in an arena without a name, the queue in {}, and "
        "who gets it may be unable to attach that arena; make both in the same arena, or the object in a "
        "named one",
        channel_.core().region().name()));
  return place_of(block, others_) << 1 | 1;
}

std::uint64_t OutgoingReferences::add_descriptor(int descriptor) {
  if (descriptor < 0)
    throw UsageError("putting a descriptor into a queue: it is closed; put one that is open");
  descriptors_.push_back(descriptor);
  return descriptors_.size() - 1;
}

BlockRef OutgoingReferences::block(std::uint64_t /*number*/) { throw_one_way(); }
os::Fd OutgoingReferences::descriptor(std::uint64_t /*number*/) { throw_one_way(); }

std::uint64_t IncomingReferences::add_block(const BlockRef& /*block*/) { throw_one_way(); }
std::uint64_t IncomingReferences::add_descriptor(int /*descriptor*/) { throw_one_way(); }

IncomingReferences::~IncomingReferences() {
  if (claims_.empty()) return;
  claims_.clear();
  return_travelling(letter_travelling(letter_.core(), letter_.handle().offset));
}

// Fetches what the keeper has for the letter.
void IncomingReferences::unpack() {
  if (std::exchange(unpacked_, true) || !letter_) return;
  ArenaCore& core = letter_.core();
  const std::uint64_t block = letter_.handle().offset;
  const LetterHeader& header = letter_header(core, block);
  const std::size_t count = std::size_t{header.descriptors} + header.claims;
  if (count == 0) return;
  descriptors_ = take_parcel(core, parcel_of(core, block), count);
  const auto claims = descriptors_.begin() + header.descriptors;
  claims_.assign(std::make_move_iterator(claims), std::make_move_iterator(descriptors_.end()));
  descriptors_.erase(claims, descriptors_.end());
}

BlockRef IncomingReferences::block(std::uint64_t number) {
  const bool other = (number & 1) != 0;
  const std::uint64_t place = number >> 1;
  std::uint64_t count = 0;
  if (letter_) {
    ArenaCore& core = letter_.core();
    const LetterHeader& header = letter_header(core, letter_.handle().offset);
    count = other ? header.travelling : header.held;
    if (place < count && other) {
      unpack();
      return adopt_travelling(letter_travelling(core, letter_.handle().offset)[place], claims_);
    }
    if (place < count) {
      const LetterReference& found = letter_reference(core, letter_.handle().offset, place);
      return BlockRef(core.adopt({core.header().id, found.offset, found.generation}));
    }
  }
  throw_missing(other ? "shared object of another arena" : "shared object", place, count);
}

os::Fd IncomingReferences::descriptor(std::uint64_t number) {
  unpack();
  if (number >= descriptors_.size() || !descriptors_[number])
    throw_missing("descriptor", number, descriptors_.size());
  return std::move(descriptors_[number]);
}

}  // namespace polyproc::inline v0
