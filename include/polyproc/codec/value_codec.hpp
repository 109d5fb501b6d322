// SPDX-License-Identifier: MIT
// Codec<T>: how a T becomes a value of Python's. Specialise it for types of your own:
//
//     template <>
//     struct polyproc::Codec<Order> {
//       static void write(polyproc::Writer& out, const Order& order) {
//         polyproc::write_value(out, std::tuple(order.id(), order.name()));
//       }
//       static Order read(polyproc::Reader& in) {
//         auto [id, name] = polyproc::read_value<std::tuple<int, std::string>>(in);
//         return Order(id, std::move(name));
//       }
//     };
//
// Each must write exactly one value, and read it. One that may write None says so with
// `static constexpr bool may_be_none = true;`. What each type becomes is in docs/wire.md.
#pragma once

#include <chrono>
#include <cmath>
#include <complex>
#include <concepts>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <polyproc/codec/reader.hpp>
#include <polyproc/codec/writer.hpp>

namespace polyproc::inline v0 {

template <class T>
struct Codec;

// Types that Codec knows.
template <class T>
concept PickleValue = requires(Writer& out, Reader& in, const T& value) {
  Codec<T>::write(out, value);
  { Codec<T>::read(in) } -> std::convertible_to<T>;
};

template <PickleValue T>
void write_value(Writer& out, const T& value) {
  Codec<T>::write(out, value);
}

template <PickleValue T>
[[nodiscard]] T read_value(Reader& in) {
  return Codec<T>::read(in);
}

namespace detail {

template <class T>
inline constexpr bool kMayBeNone = requires {
  requires Codec<T>::may_be_none;
};

template <class T>
concept WholeNumber = std::integral<T> && !std::same_as<T, bool> && sizeof(T) <= 8;

template <class T, class From>
[[nodiscard]] T narrow(Reader& in, From value) {
  const T result = static_cast<T>(value);
  if (static_cast<From>(result) != value || (result < T{}) != (value < From{}))
    in.fail("the int does not fit its type");
  return result;
}

}  // namespace detail

template <>
struct Codec<bool> {
  static void write(Writer& out, bool value) { out.write_bool(value); }
  static bool read(Reader& in) { return in.read_bool(); }
};

template <detail::WholeNumber T>
struct Codec<T> {
  static void write(Writer& out, T value) {
    if constexpr (std::is_unsigned_v<T> && sizeof(T) == 8)
      out.write_uint(value);
    else
      out.write_int(static_cast<std::int64_t>(value));
  }
  static T read(Reader& in) {
    if constexpr (std::is_unsigned_v<T> && sizeof(T) == 8)
      return static_cast<T>(in.read_uint());
    else
      return detail::narrow<T>(in, in.read_int());
  }
};

template <class T>
requires std::is_enum_v<T>
struct Codec<T> {
  using Number = std::underlying_type_t<T>;
  static void write(Writer& out, T value) { Codec<Number>::write(out, static_cast<Number>(value)); }
  static T read(Reader& in) { return static_cast<T>(Codec<Number>::read(in)); }
};

template <class T>
requires(std::same_as<T, double> || std::same_as<T, float>) struct Codec<T> {
  static void write(Writer& out, T value) { out.write_float(static_cast<double>(value)); }
  static T read(Reader& in) {
    const double value = in.read_float();
    const T result = static_cast<T>(value);
    if constexpr (std::same_as<T, float>) {
      if (std::isinf(result) && !std::isinf(value)) in.fail("the float does not fit its type");
    }
    return result;
  }
};

template <class T>
requires(std::same_as<T, double> || std::same_as<T, float>) struct Codec<std::complex<T>> {
  static void write(Writer& out, const std::complex<T>& value) { out.write_complex(value); }
  static std::complex<T> read(Reader& in) { return std::complex<T>(in.read_complex()); }
};

template <>
struct Codec<Integer> {
  static void write(Writer& out, const Integer& value) { out.write_integer(value); }
  static Integer read(Reader& in) { return in.read_integer(); }
};

template <>
struct Codec<std::string> {
  static void write(Writer& out, const std::string& value) { out.write_string(value); }
  static std::string read(Reader& in) { return in.read_string(); }
};

template <>
struct Codec<std::vector<std::byte>> {
  static void write(Writer& out, const std::vector<std::byte>& value) { out.write_bytes(value); }
  static std::vector<std::byte> read(Reader& in) {
    const auto bytes = in.read_bytes();
    return {bytes.begin(), bytes.end()};
  }
};

template <>
struct Codec<Object> {
  static constexpr bool may_be_none = true;
  static void write(Writer& out, const Object& value) { out.write_object(value); }
  static Object read(Reader& in) { return in.read_object(); }
};

// Ticks of the type's own period: an int, or a float where they are counted in floats.
template <PickleValue Rep, class Period>
struct Codec<std::chrono::duration<Rep, Period>> {
  using Duration = std::chrono::duration<Rep, Period>;
  static void write(Writer& out, const Duration& value) { Codec<Rep>::write(out, value.count()); }
  static Duration read(Reader& in) { return Duration(Codec<Rep>::read(in)); }
};

// The duration since 1970-01-01 00:00 UTC.
template <PickleValue Duration>
struct Codec<std::chrono::time_point<std::chrono::system_clock, Duration>> {
  using Point = std::chrono::time_point<std::chrono::system_clock, Duration>;
  static void write(Writer& out, const Point& value) {
    Codec<Duration>::write(out, value.time_since_epoch());
  }
  static Point read(Reader& in) { return Point(Codec<Duration>::read(in)); }
};

}  // namespace polyproc::inline v0
