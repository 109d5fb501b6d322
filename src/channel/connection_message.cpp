// SPDX-License-Identifier: MIT
#include <polyproc/channel/connection_message.hpp>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/codec/decode_error.hpp>
#include <polyproc/os/error.hpp>

#include "arena/arena_core.hpp"
#include "channel/travelling.hpp"

namespace polyproc::inline v0 {
namespace detail {
namespace {

[[noreturn]] void throw_wrong_way() {
  throw std::logic_error("a table of handles is used in the wrong direction");
}
[[noreturn]] void throw_missing(const char* kind, std::uint64_t number) {
  throw DecodeError(fmt::format("the message came without its {} number {}", kind, number), 0);
}

}  // namespace

SentHandles::~SentHandles() = default;

std::uint64_t SentHandles::add_block(const BlockRef& block) {
  block.require("sending a shared object through a connection");
  if (!(block.arena() == Arena::family()) && !block.core().region().on_file_system())
    throw UsageError(
        "sending a shared object through a connection: it lies in an anonymous arena, which its receiver "
        "cannot "
        "open; make it in the family's arena or in a named one");
  const auto known = std::find(blocks_.begin(), blocks_.end(), block);
  if (known != blocks_.end()) return static_cast<std::uint64_t>(known - blocks_.begin());
  blocks_.push_back(block);
  return blocks_.size() - 1;
}

std::uint64_t SentHandles::add_descriptor(int descriptor) {
  descriptors_.push_back(descriptor);
  return descriptors_.size() - 1;
}

BlockRef SentHandles::block(std::uint64_t /*number*/) { throw_wrong_way(); }
os::Fd SentHandles::descriptor(std::uint64_t /*number*/) { throw_wrong_way(); }

ReceivedHandles::~ReceivedHandles() = default;

std::uint64_t ReceivedHandles::add_block(const BlockRef& /*block*/) { throw_wrong_way(); }
std::uint64_t ReceivedHandles::add_descriptor(int /*descriptor*/) { throw_wrong_way(); }

BlockRef ReceivedHandles::block(std::uint64_t number) {
  if (number >= message_->references_.size()) throw_missing("shared object", number);
  return adopt_travelling(message_->references_[number], message_->claims_);
}

os::Fd ReceivedHandles::descriptor(std::uint64_t number) {
  auto& descriptors = message_->descriptors_;
  if (number >= descriptors.size() || !descriptors[number]) throw_missing("descriptor", number);
  return std::move(descriptors[number]);
}

}  // namespace detail

std::vector<std::byte> ConnectionMessage::take_bytes() && {
  if (long_.empty()) return {bytes_.begin(), bytes_.end()};
  long_.resize(bytes_.size());  // without the references behind them
  bytes_ = {};
  return std::move(long_);
}

// The references are the end of the bytes, the claims that of the descriptors.
void ConnectionMessage::split(std::size_t references, std::size_t claims) {
  if (references > bytes_.size() / sizeof(TravellingReference))
    throw DecodeError(fmt::format("a message of {} bytes names {} shared objects", bytes_.size(), references),
                      0);
  references_.resize(references);
  const std::size_t size = references * sizeof(TravellingReference);
  std::memcpy(references_.data(), bytes_.last(size).data(), size);
  bytes_ = bytes_.first(bytes_.size() - size);
  const auto first = descriptors_.end() - static_cast<std::ptrdiff_t>(claims);
  claims_.assign(std::make_move_iterator(first), std::make_move_iterator(descriptors_.end()));
  descriptors_.erase(first, descriptors_.end());
}

ConnectionMessage::~ConnectionMessage() {
  claims_.clear();
  return_travelling(references_);
}

}  // namespace polyproc::inline v0
