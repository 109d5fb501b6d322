// SPDX-License-Identifier: MIT
// SipHash-1-3: one round for each word, three at the end.
#include "codec/sip_hash.hpp"

#include <sys/random.h>

#include <array>
#include <bit>
#include <chrono>
#include <cstring>

namespace polyproc::inline v0::detail {

namespace {

using Key = std::array<std::uint64_t, 2>;

Key make_key() noexcept {
  Key key{};
  if (::getrandom(key.data(), sizeof key, GRND_NONBLOCK) != sizeof key) {  // early in the system's life
    key[0] = static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
    key[1] = reinterpret_cast<std::uintptr_t>(&key);
  }
  return key;
}

const Key& process_key() noexcept {
  static const Key key = make_key();
  return key;
}

struct State {
  std::uint64_t a, b, c, d;

  explicit State(const Key& key) noexcept
      : a(key[0] ^ 0x736f6d6570736575),
        b(key[1] ^ 0x646f72616e646f6d),
        c(key[0] ^ 0x6c7967656e657261),
        d(key[1] ^ 0x7465646279746573) {}

  void round() noexcept {
    a += b, b = std::rotl(b, 13) ^ a, a = std::rotl(a, 32);
    c += d, d = std::rotl(d, 16) ^ c;
    a += d, d = std::rotl(d, 21) ^ a;
    c += b, b = std::rotl(b, 17) ^ c, c = std::rotl(c, 32);
  }
  void add(std::uint64_t word) noexcept {
    d ^= word;
    round();
    a ^= word;
  }
  [[nodiscard]] std::uint64_t finish() noexcept {
    c ^= 0xff;
    for (int i = 0; i < 3; ++i) round();
    return a ^ b ^ c ^ d;
  }
};

}  // namespace

std::uint64_t sip_hash(std::span<const std::byte> bytes, std::uint64_t seed) noexcept {
  State state({process_key()[0] ^ seed, process_key()[1]});
  std::uint64_t word = 0;
  std::size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    std::memcpy(&word, bytes.data() + at, 8);
    state.add(word);
  }
  word = std::uint64_t{bytes.size()} << 56;
  for (std::size_t i = at; i < bytes.size(); ++i)
    word |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * (i - at));
  state.add(word);
  return state.finish();
}

std::uint64_t mix(std::uint64_t word, std::uint64_t seed) noexcept {
  State state({process_key()[0] ^ seed, process_key()[1]});
  state.add(word);
  return state.finish();
}

}  // namespace polyproc::inline v0::detail
