// SPDX-License-Identifier: MIT
// UTF-8 with surrogates, checked as in table 3-7 of the Unicode Standard but for ED A0..BF.
#include "codec/text.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace polyproc::inline v0::detail {

namespace {

using Byte = unsigned char;

Byte byte_at(std::string_view text, std::size_t at) noexcept { return static_cast<Byte>(text[at]); }

std::size_t skip_ascii(std::string_view text, std::size_t at) noexcept {
  std::uint64_t word = 0;
  for (; at + 8 <= text.size(); at += 8) {
    std::memcpy(&word, text.data() + at, 8);
    if ((word & 0x8080808080808080) != 0) break;
  }
  if (at + 8 > text.size() && text.size() >= 8) {  // the end, together with bytes that were seen
    std::memcpy(&word, text.data() + text.size() - 8, 8);
    if ((word & 0x8080808080808080) == 0) return text.size();
  }
  while (at < text.size() && byte_at(text, at) < 0x80) ++at;
  return at;
}

bool continues(std::string_view text, std::size_t at, Byte low = 0x80, Byte high = 0xbf) noexcept {
  return at < text.size() && byte_at(text, at) >= low && byte_at(text, at) <= high;
}

// Bytes of the character that begins at `at`, 0 when there is none.
std::size_t character_length(std::string_view text, std::size_t at) noexcept {
  const Byte first = byte_at(text, at);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  if (first < 0xe0) return continues(text, at + 1) ? 2 : 0;
  if (first < 0xf0)
    return continues(text, at + 1, first == 0xe0 ? 0xa0 : 0x80) && continues(text, at + 2) ? 3 : 0;
  const Byte low = first == 0xf0 ? 0x90 : 0x80;
  const Byte high = first == 0xf4 ? 0x8f : 0xbf;
  return continues(text, at + 1, low, high) && continues(text, at + 2) && continues(text, at + 3) ? 4 : 0;
}

// U+DC80 to U+DCFF are ED B2 80 to ED B3 BF.
bool is_escape(std::string_view text, std::size_t at) noexcept {
  return byte_at(text, at) == 0xed && at + 2 < text.size() && (byte_at(text, at + 1) & 0xfe) == 0xb2;
}

template <class Good>
std::size_t prefix(std::string_view text, Good good) noexcept {
  for (std::size_t at = skip_ascii(text, 0); at < text.size(); at = skip_ascii(text, at)) {
    const std::size_t length = character_length(text, at);
    if (length == 0 || !good(at)) return at;
    at += length;
  }
  return text.size();
}

}  // namespace

std::size_t valid_prefix(std::string_view text) noexcept {
  return prefix(text, [](std::size_t) { return true; });
}

bool has_escapes(std::string_view text) noexcept {
  for (std::size_t at = text.find('\xed'); at != std::string_view::npos; at = text.find('\xed', at + 1)) {
    if (is_escape(text, at)) return true;
  }
  return false;
}

bool needs_no_escape(std::string_view text) noexcept {
  return prefix(text, [&](std::size_t at) { return !is_escape(text, at); }) == text.size();
}

std::string escape(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() * 3);
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t length = is_escape(bytes, at) ? 0 : character_length(bytes, at);
    if (length == 0)
      append_character(text, U'\xdc00' + byte_at(bytes, at++));
    else
      text.append(bytes, at, length), at += length;
  }
  return text;
}

std::string unescape(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    if (is_escape(text, at)) {
      bytes.push_back(
          static_cast<char>((byte_at(text, at + 1) & 1) << 6 | (byte_at(text, at + 2) & 0x3f) | 0x80));
      at += 3;
    } else {
      bytes.push_back(text[at++]);
    }
  }
  return bytes;
}

std::size_t count_characters(std::string_view text) noexcept {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

char32_t next_character(std::string_view text, std::size_t& at) noexcept {
  const Byte first = byte_at(text, at);
  const std::size_t length = std::max<std::size_t>(character_length(text, at), 1);
  char32_t character = length == 1 ? first : first & (0xffU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) character = character << 6 | (byte_at(text, at + i) & 0x3f);
  at += length;
  return character;
}

void append_character(std::string& out, char32_t character) {
  const auto add = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  const auto add_rest = [&](int shift) { add(0x80 | (character >> shift & 0x3f)); };
  if (character < 0x80) {
    add(character);
  } else if (character < 0x800) {
    add(0xc0 | character >> 6), add_rest(0);
  } else if (character < 0x10000) {
    add(0xe0 | character >> 12), add_rest(6), add_rest(0);
  } else {
    add(0xf0 | character >> 18), add_rest(12), add_rest(6), add_rest(0);
  }
}

}  // namespace polyproc::inline v0::detail
