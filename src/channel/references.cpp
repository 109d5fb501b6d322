// SPDX-License-Identifier: MIT
#include <polyproc/channel/references.hpp>

#include <algorithm>

#include <fmt/format.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/codec/decode_error.hpp>
#include <polyproc/os/error.hpp>

#include "arena/arena_core.hpp"
#include "channel/letter.hpp"

namespace polyproc::inline v0 {
namespace {

[[noreturn]] void throw_one_way() {
  throw UsageError("references of a queue's item: they are written when it is put, and read when it is got");
}

}  // namespace

std::uint64_t OutgoingReferences::add_block(const BlockRef& block) {
  block.require("putting a shared object into a queue");
  if (&block.core() != &channel_.core()) {
    throw UsageError(
        fmt::format("putting a shared object into a queue: it lies in {}, the queue in {}, and who gets it "
                    "may be unable to attach "
                    "that; make both in the same arena",
                    block.core().region().name(), channel_.core().region().name()));
  }
  const auto known = std::find(blocks_.begin(), blocks_.end(), block);
  if (known != blocks_.end()) return static_cast<std::uint64_t>(known - blocks_.begin());
  blocks_.push_back(block);
  return blocks_.size() - 1;
}

std::uint64_t OutgoingReferences::add_descriptor(int descriptor) {
  throw UsageError(
      fmt::format("putting descriptor {} into a queue: queues lie in shared memory, which cannot hold "
                  "descriptors; send it through a "
                  "Connection or pass it as an argument of the process",
                  descriptor));
}

BlockRef OutgoingReferences::block(std::uint64_t /*number*/) { throw_one_way(); }
os::Fd OutgoingReferences::descriptor(std::uint64_t /*number*/) { throw_one_way(); }

std::uint64_t IncomingReferences::add_block(const BlockRef& /*block*/) { throw_one_way(); }
std::uint64_t IncomingReferences::add_descriptor(int /*descriptor*/) { throw_one_way(); }

BlockRef IncomingReferences::block(std::uint64_t number) {
  const std::uint64_t count =
      letter_ ? letter_header(letter_.core(), letter_.handle().offset).held : std::uint64_t{0};
  if (number >= count)
    throw DecodeError(fmt::format("shared object {} is named, and the item holds {}", number, count), 0);
  const LetterReference& found = letter_reference(letter_.core(), letter_.handle().offset, number);
  return BlockRef(letter_.core().adopt({letter_.core().header().id, found.offset, found.generation}));
}

os::Fd IncomingReferences::descriptor(std::uint64_t number) {
  throw DecodeError(fmt::format("descriptor {} is named, and items of queues hold none", number), 0);
}

}  // namespace polyproc::inline v0
