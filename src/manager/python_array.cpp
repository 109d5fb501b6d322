// SPDX-License-Identifier: MIT
#include "manager/python_array.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>

#include <fmt/format.h>

#include "manager/python_error.hpp"

namespace polyproc::inline v0 {
namespace {

constexpr std::string_view kTypecodes = "bBhHiIlLqQfduw";

template <class T>
Object whole(char typecode, const Object& value) {
  if (value.kind() != Kind::integer && value.kind() != Kind::boolean)
    throw PythonError(
        "TypeError", fmt::format("'{}' object cannot be interpreted as an integer", kind_name(value.kind())));
  const Integer number = value.as_integer();
  if (number < Integer(std::numeric_limits<T>::min()) || number > Integer(std::numeric_limits<T>::max()))
    throw PythonError("OverflowError",
                      fmt::format("an element of an array of type '{}' must be from {} to {}", typecode,
                                  std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
  return Object(number);
}

Object real(char typecode, const Object& value) {
  if (value.kind() != Kind::floating && value.kind() != Kind::integer && value.kind() != Kind::boolean)
    throw PythonError("TypeError", fmt::format("must be real number, not {}", kind_name(value.kind())));
  const double number = value.kind() == Kind::floating ? value.as_double() : value.as_integer().to_double();
  return typecode == 'f' ? Object(static_cast<double>(static_cast<float>(number))) : Object(number);
}

// The reconstructor's codes for the layout of an element.
struct Layout {
  std::size_t size;
  bool is_signed, big_endian, floating;
};
std::optional<Layout> layout_of(std::int64_t code) noexcept {
  if (code < 0 || code > 17) return std::nullopt;
  if (code < 2) return Layout{1, code == 1, false, false};
  if (code < 14) {
    const auto step = code - 2;
    return Layout{std::size_t{2} << (step / 4), step % 4 >= 2, step % 2 == 1, false};
  }
  return Layout{code < 16 ? std::size_t{4} : std::size_t{8}, true, code % 2 == 1, true};
}

Object number_from(std::span<const std::byte> bytes, const Layout& layout) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < layout.size; ++i)
    bits |= std::to_integer<std::uint64_t>(bytes[i]) << 8 * (layout.big_endian ? layout.size - 1 - i : i);
  if (layout.floating)
    return layout.size == 4
               ? Object(static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits))))
               : Object(std::bit_cast<double>(bits));
  if (!layout.is_signed) return Object(bits);
  const int unused = 64 - 8 * static_cast<int>(layout.size);
  return Object(static_cast<std::int64_t>(bits << unused) >> unused);
}

// As machines of this kind have it.
std::optional<Layout> layout_of(char typecode) noexcept {
  constexpr bool kBig = std::endian::native == std::endian::big;
  switch (typecode) {
    case 'b':
    case 'B':
      return Layout{1, typecode == 'b', kBig, false};
    case 'h':
    case 'H':
      return Layout{2, typecode == 'h', kBig, false};
    case 'i':
    case 'I':
      return Layout{4, typecode == 'i', kBig, false};
    case 'l':
    case 'L':
    case 'q':
    case 'Q':
      return Layout{8, typecode == 'l' || typecode == 'q', kBig, false};
    case 'f':
      return Layout{4, true, kBig, true};
    case 'd':
      return Layout{8, true, kBig, true};
    default:
      return std::nullopt;
  }
}

PythonArray read_elements(char typecode, const std::optional<Layout>& layout,
                          std::span<const std::byte> bytes) {
  if (!layout || bytes.size() % layout->size != 0)
    throw PythonError("ValueError", "an array.array of a layout that is not known here, such as text");
  PythonArray array{typecode, {}};
  array.items.reserve(bytes.size() / layout->size);
  for (std::size_t at = 0; at < bytes.size(); at += layout->size)
    array.items.push_back(number_from(bytes.subspan(at, layout->size), *layout));
  return array;
}

}  // namespace

char PythonArray::typecode_from(const Object& value) {
  if (value.kind() != Kind::string || value.as_utf8().size() != 1)
    throw PythonError("TypeError", "a typecode is one character, such as 'd'");
  const char typecode = value.as_utf8().front();
  if (kTypecodes.find(typecode) == std::string_view::npos)
    throw PythonError("ValueError", "bad typecode (must be b, B, u, h, H, i, I, l, L, q, Q, f or d)");
  return typecode;
}

Object PythonArray::element(char typecode, const Object& value) {
  switch (typecode) {
    case 'b':
      return whole<std::int8_t>(typecode, value);
    case 'B':
      return whole<std::uint8_t>(typecode, value);
    case 'h':
      return whole<std::int16_t>(typecode, value);
    case 'H':
      return whole<std::uint16_t>(typecode, value);
    case 'i':
      return whole<std::int32_t>(typecode, value);
    case 'I':
      return whole<std::uint32_t>(typecode, value);
    case 'l':
    case 'q':
      return whole<std::int64_t>(typecode, value);
    case 'L':
    case 'Q':
      return whole<std::uint64_t>(typecode, value);
    case 'f':
    case 'd':
      return real(typecode, value);
    default:
      if (value.kind() != Kind::string || value.size() != 1)
        throw PythonError("TypeError", "array item must be a unicode character");
      return value;
  }
}

std::optional<PythonArray> PythonArray::from(const Object& value) {
  if (value.kind() != Kind::instance || value.callable().kind() != Kind::name ||
      value.callable().module() != "array")
    return std::nullopt;
  const auto parts = value.arguments().items();
  const std::string_view name = value.callable().qualified_name();
  // _array_reconstructor(array.array, typecode, layout, bytes)
  if (name == "_array_reconstructor" && parts.size() == 4 && parts[2].kind() == Kind::integer &&
      parts[3].kind() == Kind::bytes)
    return read_elements(typecode_from(parts[1]), layout_of(parts[2].as_int()), parts[3].as_bytes());
  if (name != "array" || parts.empty() || parts.size() > 2)
    throw PythonError("TypeError", "a damaged array.array");
  PythonArray array{typecode_from(parts[0]), {}};
  if (parts.size() == 1) return array;
  // multiprocessing.managers pickles the machine's own bytes.
  if (parts[1].kind() == Kind::bytes)
    return read_elements(array.typecode, layout_of(array.typecode), parts[1].as_bytes());
  if (parts[1].kind() != Kind::list) throw PythonError("TypeError", "a damaged array.array");
  for (const Object& item : parts[1].items()) array.items.push_back(element(array.typecode, item));
  return array;
}

Object PythonArray::to_object() const {
  return Object::instance(Object::name("array", "array"),
                          Object::tuple({std::string_view(&typecode, 1), Object::list(items)}));
}

}  // namespace polyproc::inline v0
