// SPDX-License-Identifier: MIT
// CPython's frames: a length, big-endian, and so many bytes. A length beyond 0x7fffffff is the 32-bit value -1 and then 64 bits.
//
// A FrameParser takes what arrives, in pieces of any size, and gives whole messages. It asks for no more memory than has
// arrived, twice over, whatever length was announced.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace polyproc::inline v0 {

// The length that goes in front of a message.
class FrameHeader {
 public:
  explicit FrameHeader(std::uint64_t length) noexcept;
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return std::span(bytes_).first(size_); }

 private:
  std::array<std::byte, 12> bytes_;
  std::size_t size_;
};

class FrameParser {
 public:
  static constexpr std::uint64_t kNoLimit = UINT64_MAX;

  explicit FrameParser(std::uint64_t longest = kNoLimit) noexcept : longest_(longest) {}
  void set_longest(std::uint64_t longest) noexcept { longest_ = longest; }

  // Where the next bytes go: those of the message alone, so that nothing of the following one is taken. Never empty.
  [[nodiscard]] std::span<std::byte> room();
  // So many bytes have been written there. Throws OsError (EMSGSIZE) for a message that is too long, EPROTO for a length that is
  // none; after that the stream cannot be read any more.
  void arrived(std::size_t count);
  // The message, once it is whole.
  [[nodiscard]] std::optional<std::vector<std::byte>> take();
  // Whether a message has begun.
  [[nodiscard]] bool is_inside() const noexcept { return at_ != 0 || in_body_; }

 private:
  void read_length();

  std::uint64_t longest_;
  std::array<std::byte, 12> header_;
  std::size_t header_size_ = 4;
  std::size_t at_ = 0;  // in the header, or in the body
  std::uint64_t length_ = 0;
  bool in_body_ = false;
  std::vector<std::byte> body_;
};

}  // namespace polyproc::inline v0
