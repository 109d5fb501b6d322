// SPDX-License-Identifier: MIT
// Strings of any bytes as Python's strings: UTF-8 in which surrogates are allowed ("surrogatepass"), where each byte
// that is no UTF-8 stands as one of the surrogates U+DC80 to U+DCFF ("surrogateescape").
//
// Going out, valid UTF-8 and the encoded surrogates U+D800 to U+DC7F and U+DD00 to U+DFFF stay as they are; every other
// byte b becomes U+DC00 + b. Coming in, U+DC80 to U+DCFF become bytes. So any bytes return as they were, and so does any
// string of Python's but one whose escapes, as bytes, are UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace polyproc::inline v0::detail {

[[nodiscard]] inline bool is_ascii(std::string_view text) noexcept {
  constexpr std::uint64_t kBeyond = 0x8080808080808080;
  std::uint64_t seen = 0;
  std::uint64_t word = 0;
  const char* at = text.data();
  const char* const end = at + text.size();
  if (text.size() >= sizeof word) {
    for (; end - at > static_cast<std::ptrdiff_t>(sizeof word); at += sizeof word) {
      std::memcpy(&word, at, sizeof word);
      seen |= word;
    }
    std::memcpy(&word, end - sizeof word, sizeof word);  // together with bytes that were seen
    return ((seen | word) & kBeyond) == 0;
  }
  for (; at != end; ++at) seen |= static_cast<unsigned char>(*at);
  return (seen & kBeyond) == 0;
}

// The length of the longest beginning that is UTF-8, surrogates allowed: all of it for a valid string.
[[nodiscard]] std::size_t valid_prefix(std::string_view text) noexcept;
// Whether the text has the surrogates U+DC80 to U+DCFF, encoded. For valid text.
[[nodiscard]] bool has_escapes(std::string_view text) noexcept;
// Whether the text leaves as it is.
[[nodiscard]] bool needs_no_escape(std::string_view text) noexcept;
[[nodiscard]] std::string escape(std::string_view bytes);
[[nodiscard]] std::string unescape(std::string_view text);
// For valid text.
[[nodiscard]] std::size_t count_characters(std::string_view text) noexcept;
// The character at `at`, which is moved behind it. For valid text.
[[nodiscard]] char32_t next_character(std::string_view text, std::size_t& at) noexcept;
void append_character(std::string& out, char32_t character);

}  // namespace polyproc::inline v0::detail
