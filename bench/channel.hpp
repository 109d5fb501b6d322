// SPDX-License-Identifier: MIT
// What the benchmarks send through any queue, and how each end checks it.
//
// A Channel is one queue of one library: made from a Shape before the fork; in the children channel.sender() gives
// {put(stamp), end(last)} and channel.receiver() gives {get() -> stamp, ends()}. Making the two connects them, so that no
// connecting is timed. `last` says that no other producer is at work any more.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "harness.hpp"

namespace bench {

struct Shape {
  std::size_t size = 8;  // bytes of a message
  std::uint32_t producers = 1;
  std::uint32_t consumers = 1;
  std::uint64_t bound = 0;  // messages that the queue may hold, 0: no bound
};

// A message's number, of which its first and its last eight bytes are made: producer << 48 | count from 1.
using Stamp = std::uint64_t;
inline constexpr Stamp kEnd = ~Stamp{0};
[[nodiscard]] inline constexpr Stamp make_stamp(std::uint64_t producer, std::uint64_t count) noexcept {
  return producer << 48 | count;
}

inline void write_stamp(std::span<std::byte> message, Stamp stamp) noexcept {
  std::memcpy(message.data(), &stamp, sizeof stamp);
  if (message.size() > sizeof stamp) {
    std::memcpy(message.data() + message.size() - sizeof stamp, &stamp, sizeof stamp);
  }
}

[[nodiscard]] inline Stamp read_stamp(std::span<const std::byte> message) {
  Stamp first = 0;
  std::memcpy(&first, message.data(), sizeof first);
  if (message.size() > sizeof first) {
    Stamp last = 0;
    std::memcpy(&last, message.data() + message.size() - sizeof last, sizeof last);
    if (first != last) throw std::runtime_error(fmt::format("a torn message: {:#x} and {:#x}", first, last));
  }
  return first;
}

// One consumer's view: no producer's messages are out of order, nor, for the only consumer, missing.
class OrderCheck {
 public:
  explicit OrderCheck(bool alone) : alone_(alone) {}
  void take(Stamp stamp) {
    std::uint64_t& last = last_[(stamp >> 48) % last_.size()];
    const std::uint64_t count = stamp & 0xffff'ffff'ffff;
    if (count <= last || (alone_ && count != last + 1)) {
      throw std::runtime_error(
          fmt::format("message {} of producer {} came after {}", count, stamp >> 48, last));
    }
    last = count;
    sum_ += count;
  }
  [[nodiscard]] std::uint64_t sum() const noexcept { return sum_; }

 private:
  bool alone_;
  std::array<std::uint64_t, 16> last_{};
  std::uint64_t sum_ = 0;
};

}  // namespace bench
