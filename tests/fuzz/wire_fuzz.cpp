// SPDX-License-Identifier: MIT
// libFuzzer's target for what comes from a socket before anybody is known: frames in pieces of any size, and both sides of the
// challenges. The first byte says which, the second how the rest is cut.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>

#include <polyproc/os/error.hpp>

#include "net/frame.hpp"
#include "net/handshake.hpp"

using namespace polyproc;

namespace {

constexpr std::uint64_t kLongest = 10'000;

// Calls `take` for each message; what is announced costs no more than what has come.
template <class Take>
void read_frames(std::span<const std::byte> input, std::size_t step, std::uint64_t longest, Take take) {
  FrameParser parser(longest);
  while (!input.empty()) {
    const auto room = parser.room();
    if (room.empty() || room.size() > 2 * input.size() + 2 * kLongest + (1 << 17)) std::abort();
    const std::size_t count = std::min({room.size(), input.size(), step});
    std::memcpy(room.data(), input.data(), count);
    input = input.subspan(count);
    parser.arrived(count);
    if (const auto message = parser.take()) {
      if (message->size() > longest) std::abort();
      take(*message);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const auto input = std::as_bytes(std::span(data, size)).subspan(2);
  const std::size_t step = data[1] + std::size_t{1};
  try {
    if (data[0] % 3 == 0) {
      read_frames(input, step, kLongest, [](const auto&) {});
      return 0;
    }
    Handshake handshake(data[0] % 3 == 1 ? Handshake::Side::listener : Handshake::Side::client, "key",
                        data[0] >= 128, "+offer");
    (void)handshake.begin();
    read_frames(input, step, Handshake::kLongestFrame, [&](const auto& frame) {
      for (const auto& answer : handshake.take(frame))
        if (answer.size() > Handshake::kLongestFrame) std::abort();
      if (handshake.done()) std::abort();  // nobody can guess the random bytes
    });
  } catch (const Error&) {  // refused
  }
  return 0;
}
