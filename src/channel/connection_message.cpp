// SPDX-License-Identifier: MIT
#include <polyproc/channel/connection_message.hpp>

#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <polyproc/codec/decode_error.hpp>
#include <polyproc/os/error.hpp>

namespace polyproc::inline v0::detail {
namespace {

[[noreturn]] void throw_wrong_way() {
  throw std::logic_error("a table of handles is used in the wrong direction");
}
[[noreturn]] void throw_missing(const char* kind, std::uint64_t number) {
  throw DecodeError(fmt::format("the message came without its {} number {}", kind, number), 0);
}

}  // namespace

SentHandles::~SentHandles() = default;

std::uint64_t SentHandles::add_block(const BlockRef& /*block*/) {
  throw UsageError(
      "sending a shared object through a connection: its handles do not travel there; hand it over as an "
      "argument of a Process, or open it by name in a named arena");
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

BlockRef ReceivedHandles::block(std::uint64_t number) { throw_missing("shared object", number); }

os::Fd ReceivedHandles::descriptor(std::uint64_t number) {
  if (number >= descriptors_->size() || !(*descriptors_)[number]) throw_missing("descriptor", number);
  return std::move((*descriptors_)[number]);
}

}  // namespace polyproc::inline v0::detail
