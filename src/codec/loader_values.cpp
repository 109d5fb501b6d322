// SPDX-License-Identifier: MIT
// Opcodes that make a value from the bytes behind them, in their binary and their text forms.
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include <polyproc/codec/decode_error.hpp>

#include "codec/loader.hpp"
#include "codec/node.hpp"
#include "codec/text.hpp"

namespace polyproc::inline v0::detail {

namespace {

// As in CPython, which refuses longer ones because their conversion takes time by the square.
constexpr std::size_t kMostDigits = 4300;

int digit_of(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// `count` hexadecimal digits at `at`, or nothing.
std::optional<char32_t> hex_at(std::string_view text, std::size_t at, std::size_t count) noexcept {
  if (text.size() - at < count) return std::nullopt;
  char32_t value = 0;
  for (const char c : text.substr(at, count)) {
    if (digit_of(c) < 0) return std::nullopt;
    value = value << 4 | static_cast<char32_t>(digit_of(c));
  }
  return value;
}

}  // namespace

void Loader::push_string(std::string_view utf8) {
  const std::size_t valid = valid_prefix(utf8);
  if (valid != utf8.size()) {
    opcode_at_ = at_ - utf8.size() + valid;
    fail("a string is no UTF-8");
  }
  push(make_string(std::string(utf8)));
}

// Strings of Python 2, which CPython reads as ASCII.
void Loader::push_ascii(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) fail("a string of Python 2 that is no ASCII");
  }
  push(make_string(std::string(text)));
}

bool Loader::step_value(Opcode op) {
  switch (op) {
    case Opcode::none:
      push(Object());
      return true;
    case Opcode::new_true:
      push(Object(true));
      return true;
    case Opcode::new_false:
      push(Object(false));
      return true;
    case Opcode::bin_int:
      push(Object(number<std::int32_t>()));
      return true;
    case Opcode::bin_int1:
      push(Object(number<std::uint8_t>()));
      return true;
    case Opcode::bin_int2:
      push(Object(number<std::uint16_t>()));
      return true;
    case Opcode::long1:
      push(Object(Integer::from_bytes(take(number<std::uint8_t>()))));
      return true;
    case Opcode::long4: {
      const auto length = number<std::int32_t>();
      if (length < 0) fail("an integer of negative length");
      push(Object(Integer::from_bytes(take(static_cast<std::uint64_t>(length)))));
      return true;
    }
    case Opcode::bin_float:
      push(Object(std::bit_cast<double>(__builtin_bswap64(number<std::uint64_t>()))));
      return true;
    case Opcode::short_bin_unicode:
      push_string(text(number<std::uint8_t>()));
      return true;
    case Opcode::bin_unicode:
      push_string(text(number<std::uint32_t>()));
      return true;
    case Opcode::bin_unicode8:
      push_string(text(number<std::uint64_t>()));
      return true;
    case Opcode::short_bin_bytes:
      push(Object::bytes(take(number<std::uint8_t>())));
      return true;
    case Opcode::bin_bytes:
      push(Object::bytes(take(number<std::uint32_t>())));
      return true;
    case Opcode::bin_bytes8:
      push(Object::bytes(take(number<std::uint64_t>())));
      return true;
    case Opcode::bytearray8:
      push(Object::bytearray(take(number<std::uint64_t>())));
      return true;
    default:
      return false;
  }
}

bool Loader::step_text_form(Opcode op) {
  switch (op) {
    case Opcode::text_int:
      push_text_int(line());
      return true;
    case Opcode::text_long:
      push_text_long(line());
      return true;
    case Opcode::text_float:
      push_text_float(line());
      return true;
    case Opcode::unicode:
      push_raw_unicode(line());
      return true;
    case Opcode::string:
      push_quoted(line());
      return true;
    case Opcode::short_bin_string:
      push_ascii(text(number<std::uint8_t>()));
      return true;
    case Opcode::bin_string: {
      const auto length = number<std::int32_t>();
      if (length < 0) fail("a string of negative length");
      push_ascii(text(static_cast<std::uint64_t>(length)));
      return true;
    }
    default:
      return false;
  }
}

void Loader::push_decimal(std::string_view text) {
  if (text.size() > kMostDigits) fail(fmt::format("an integer of {} digits", text.size()));
  const auto value = Integer::from_decimal(text);
  if (!value) fail("a number is expected");
  push(Object(*value));
}

void Loader::push_text_int(std::string_view line) {
  if (line == "00" || line == "01")
    push(Object(line == "01"));
  else
    push_decimal(line);
}

void Loader::push_text_long(std::string_view line) {
  if (line.ends_with('L')) line.remove_suffix(1);
  push_decimal(line);
}

void Loader::push_text_float(std::string_view line) {
  double value = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
  if (end != line.data() + line.size() || error == std::errc::invalid_argument) fail("a float is expected");
  if (error == std::errc::result_out_of_range) fail("a float beyond the range of floats");
  push(Object(value));
}

// Characters below U+0100 as bytes of their number, \uXXXX and \UXXXXXXXX for the rest.
void Loader::push_raw_unicode(std::string_view line) {
  std::string utf8;
  for (std::size_t at = 0; at < line.size();) {
    const char kind = line[at] == '\\' && at + 1 < line.size() ? line[at + 1] : '\0';
    if (kind != 'u' && kind != 'U') {
      append_character(utf8, static_cast<unsigned char>(line[at++]));
      continue;
    }
    const std::size_t digits = kind == 'u' ? 4 : 8;
    const auto character = hex_at(line, at + 2, digits);
    if (!character || *character > 0x10ffff) fail("a \\u in a string without its digits");
    append_character(utf8, *character);
    at += 2 + digits;
  }
  push(make_string(std::move(utf8)));
}

// 'text' or "text" with the escapes of Python 2's repr.
void Loader::push_quoted(std::string_view line) {
  if (line.size() < 2 || line.front() != line.back() || (line.front() != '\'' && line.front() != '"'))
    fail("a string without its quotes");
  const std::string_view inner = line.substr(1, line.size() - 2);
  constexpr std::string_view kEscapes = "\\'\"abfnrtv";
  constexpr std::string_view kMeanings = "\\'\"\a\b\f\n\r\t\v";
  std::string result;
  for (std::size_t at = 0; at < inner.size(); ++at) {
    if (inner[at] != '\\') {
      result += inner[at];
      continue;
    }
    if (++at == inner.size()) fail("a string ends in a backslash");
    if (const auto known = kEscapes.find(inner[at]); known != std::string_view::npos) {
      result += kMeanings[known];
    } else if (const auto byte = inner[at] == 'x' ? hex_at(inner, at + 1, 2) : std::nullopt) {
      result += static_cast<char>(*byte);
      at += 2;
    } else {
      fail("an unknown escape in a string");
    }
  }
  push_ascii(result);
}

}  // namespace polyproc::inline v0::detail
