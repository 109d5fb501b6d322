// SPDX-License-Identifier: MIT
// What may lie in shared memory as it is, and the PEP 3118 format string that names it to other programs.
#pragma once

#include <algorithm>
#include <array>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include <polyproc/arena/block_ref.hpp>
#include <polyproc/codec/holds_pointers.hpp>

namespace polyproc::inline v0 {

// Types whose bytes mean the same in every process of the same build. A class with private members or constructors of
// its own cannot be looked into for pointers: it is the caller's to keep such ones out.
template <class T>
concept Shareable = std::is_trivially_copyable_v<T> && !std::is_const_v<T> && !std::is_volatile_v<T> &&
                    !kHoldsPointers<T> && alignof(T) <= 4096;

namespace detail {

// Text of fixed capacity that can be made at compile time.
struct FormatText {
  std::array<char, 80> text{};
  std::size_t length = 0;

  constexpr void add(char c) {
    if (length + 1 < text.size()) text[length++] = c;
  }
  constexpr void add(std::string_view more) {
    for (const char c : more) add(c);
  }
  constexpr void add_number(std::uint64_t number) {
    if (number >= 10) add_number(number / 10);
    add(static_cast<char>('0' + number % 10));
  }
  constexpr void add_hex(std::uint64_t number) {
    for (int shift = 60; shift >= 0; shift -= 4) add("0123456789abcdef"[number >> shift & 15]);
  }
  [[nodiscard]] constexpr std::string_view view() const { return {text.data(), length}; }
};

template <class T>
constexpr std::string_view type_name() {
  constexpr std::string_view all = __PRETTY_FUNCTION__;  // "... type_name() [with T = X; ...]" or "[T = X]"
  constexpr std::size_t begin = all.find("T = ") + 4;
  return all.substr(begin, all.find_first_of(";]", begin) - begin);
}

constexpr std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

template <class T>
inline constexpr char kCode = '\0';
template <>
inline constexpr char kCode<bool> = '?';
template <>
inline constexpr char kCode<char> = 'c';
template <>
inline constexpr char kCode<signed char> = 'b';
template <>
inline constexpr char kCode<unsigned char> = 'B';
template <>
inline constexpr char kCode<std::byte> = 'B';
template <>
inline constexpr char kCode<char8_t> = 'B';
template <>
inline constexpr char kCode<short> = 'h';
template <>
inline constexpr char kCode<unsigned short> = 'H';
template <>
inline constexpr char kCode<char16_t> = 'u';
template <>
inline constexpr char kCode<int> = 'i';
template <>
inline constexpr char kCode<unsigned int> = 'I';
template <>
inline constexpr char kCode<char32_t> = 'w';
template <>
inline constexpr char kCode<wchar_t> = 'w';
template <>
inline constexpr char kCode<long> = 'l';
template <>
inline constexpr char kCode<unsigned long> = 'L';
template <>
inline constexpr char kCode<long long> = 'q';
template <>
inline constexpr char kCode<unsigned long long> = 'Q';
template <>
inline constexpr char kCode<float> = 'f';
template <>
inline constexpr char kCode<double> = 'd';
template <>
inline constexpr char kCode<long double> = 'g';

template <class T>
inline constexpr bool kIsStdArray = false;
template <class T, std::size_t N>
inline constexpr bool kIsStdArray<std::array<T, N>> = true;

template <class T>
inline constexpr bool kIsComplex = false;
template <class T>
inline constexpr bool kIsComplex<std::complex<T>> = true;

// A struct is opaque bytes under its name ("16s:Point:"), or under a hash of a name that is too long.
template <class T>
constexpr void add_struct(FormatText& out) {
  constexpr std::size_t kLongestName = 56;
  constexpr std::string_view name = type_name<T>();
  out.add_number(sizeof(T));
  out.add("s:");
  if constexpr (name.size() <= kLongestName && name.find(':') == std::string_view::npos) {
    out.add(name);
  } else {
    out.add(name.substr(name.rfind(':') == std::string_view::npos ? 0 : name.rfind(':') + 1).substr(0, 32));
    out.add('#');
    out.add_hex(fnv1a(name));
  }
  out.add(':');
}

template <class T>
constexpr void add_format(FormatText& out) {
  if constexpr (kCode<T> != '\0') {
    out.add(kCode<T>);
  } else if constexpr (std::is_enum_v<T>) {
    add_format<std::underlying_type_t<T>>(out);
  } else if constexpr (kIsComplex<T>) {
    out.add('Z');
    add_format<typename T::value_type>(out);
  } else if constexpr (kIsStdArray<T>) {
    out.add('(');
    out.add_number(std::tuple_size_v<T>);
    out.add(')');
    add_format<typename T::value_type>(out);
  } else {
    add_struct<T>(out);
  }
}

template <class T>
constexpr FormatText make_format() {
  FormatText out;
  add_format<T>(out);
  return out;
}

template <class T>
inline constexpr FormatText kFormat = make_format<T>();

}  // namespace detail

// The element type of raw T: "i" for int, "(3)d" for std::array<double, 3>, "16s:Point:" for a struct of 16 bytes.
template <Shareable T>
[[nodiscard]] constexpr ElementType element_type() noexcept {
  return {detail::kFormat<T>.view(), sizeof(T), alignof(T)};
}

}  // namespace polyproc::inline v0
