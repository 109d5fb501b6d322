// SPDX-License-Identifier: MIT
#include "net/frame.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>

namespace polyproc::inline v0 {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::uint64_t kLongestShort = 0x7fffffff;
constexpr std::uint32_t kLong = 0xffffffff;
constexpr std::size_t kShortBytes = 4;
constexpr std::size_t kLongBytes = 12;
// What is made room for before anything has arrived.
constexpr std::uint64_t kFirstRoom = 64 * 1024;

std::uint32_t short_length(const std::byte* header) noexcept {
  std::uint32_t length = 0;
  std::memcpy(&length, header, sizeof length);
  return __builtin_bswap32(length);
}

}  // namespace

FrameHeader::FrameHeader(std::uint64_t length) noexcept
    : size_(length > kLongestShort ? kLongBytes : kShortBytes) {
  const std::uint32_t first =
      __builtin_bswap32(size_ == kLongBytes ? kLong : static_cast<std::uint32_t>(length));
  const std::uint64_t second = __builtin_bswap64(length);
  std::memcpy(bytes_.data(), &first, sizeof first);
  std::memcpy(bytes_.data() + kShortBytes, &second, sizeof second);
}

std::span<std::byte> FrameParser::room() {
  if (!in_body_) return std::span(header_).first(header_size_).subspan(at_);
  if (at_ == body_.size())
    body_.resize(std::min(length_, std::max<std::uint64_t>(kFirstRoom, 2 * body_.size())));
  return std::span(body_).subspan(at_);
}

void FrameParser::arrived(std::size_t count) {
  at_ += count;
  if (in_body_ || at_ < header_size_) return;
  if (header_size_ == kShortBytes && short_length(header_.data()) == kLong)
    header_size_ = kLongBytes;
  else
    read_length();
}

void FrameParser::read_length() {
  length_ = short_length(header_.data());
  if (header_size_ == kLongBytes) {
    std::memcpy(&length_, header_.data() + kShortBytes, sizeof length_);
    length_ = __builtin_bswap64(length_);
  } else if (length_ > kLongestShort) {
    os::throw_os_error(
        EPROTO, "receiving a message: its length is negative, so the other end speaks something else; recv",
        "a connection");
  }
  if (length_ > longest_)
    os::throw_os_error(
        EMSGSIZE,
        fmt::format("receiving a message: it is announced with {} bytes, and {} are allowed here; recv",
                    length_, longest_),
        "a connection");
  in_body_ = true;
  at_ = 0;
  body_.clear();
}

std::optional<std::vector<std::byte>> FrameParser::take() {
  if (!in_body_ || at_ != length_) return std::nullopt;
  in_body_ = false;
  at_ = 0;
  header_size_ = kShortBytes;
  return std::exchange(body_, {});
}

}  // namespace polyproc::inline v0
