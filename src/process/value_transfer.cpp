// SPDX-License-Identifier: MIT
#include <polyproc/process/value_transfer.hpp>

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <polyproc/codec/decode_error.hpp>
#include <polyproc/os/error.hpp>

namespace polyproc::inline v0::detail {

void ArgumentHandles::write(Encoder& out) const {
  out.write_count(blocks_.size());
  for (const BlockRef& block : blocks_) out.write_block(block);
  out.write_count(sent_.size());
  for (const int descriptor : sent_) out.write_descriptor(descriptor);
}

void ArgumentHandles::read(Decoder& in) {
  for (std::uint64_t left = in.read_length(sizeof(Handle)); left > 0; --left)
    blocks_.push_back(in.read_block());
  for (std::uint64_t left = in.read_length(sizeof(std::uint64_t)); left > 0; --left)
    received_.push_back(in.read_descriptor());
}

std::uint64_t ArgumentHandles::add_block(const BlockRef& block) {
  const auto known = std::find(blocks_.begin(), blocks_.end(), block);
  if (known != blocks_.end()) return static_cast<std::uint64_t>(known - blocks_.begin());
  blocks_.push_back(block);
  return blocks_.size() - 1;
}

std::uint64_t ArgumentHandles::add_descriptor(int descriptor) {
  sent_.push_back(descriptor);
  return sent_.size() - 1;
}

BlockRef ArgumentHandles::block(std::uint64_t number) {
  if (number < blocks_.size()) return blocks_[number];
  throw DecodeError(fmt::format("shared object {} is named, and the call holds {}", number, blocks_.size()),
                    0);
}

os::Fd ArgumentHandles::descriptor(std::uint64_t number) {
  if (number < received_.size()) return std::move(received_[number]);
  throw DecodeError(fmt::format("descriptor {} is named, and the call holds {}", number, received_.size()),
                    0);
}

}  // namespace polyproc::inline v0::detail
