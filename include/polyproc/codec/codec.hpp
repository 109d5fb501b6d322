// SPDX-License-Identifier: MIT
// encode and decode: C++ values to bytes and back. Types whose bytes mean the same in every process (RawValue) are copied
// as they are; all others become a pickle, Python's format, which a CPython program reads and writes too.
//
// wire_type<T>() names the form, for the header of the shared object that carries such values.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <type_traits>
#include <variant>
#include <vector>

#include <polyproc/codec/container_codec.hpp>
#include <polyproc/codec/descriptor_codec.hpp>
#include <polyproc/codec/element_format.hpp>
#include <polyproc/codec/holds_pointers.hpp>
#include <polyproc/codec/pickle.hpp>
#include <polyproc/codec/shared_handle.hpp>
#if __has_include(<boost/pfr/core.hpp>)
#include <polyproc/codec/struct_codec.hpp>
#endif
#include <polyproc/codec/value_codec.hpp>

namespace polyproc::inline v0 {

namespace detail {

// Types that travel as values of Python's although their bytes could be copied.
template <class T>
struct TravelsAsValue : std::false_type {};
template <class T>
struct TravelsAsValue<std::optional<T>> : std::true_type {};
template <class... T>
struct TravelsAsValue<std::variant<T...>> : std::true_type {};
template <class... T>
struct TravelsAsValue<std::tuple<T...>> : std::true_type {};
template <class A, class B>
struct TravelsAsValue<std::pair<A, B>> : std::true_type {};
template <class Rep, class Period>
struct TravelsAsValue<std::chrono::duration<Rep, Period>> : std::true_type {};
template <class Clock, class Duration>
struct TravelsAsValue<std::chrono::time_point<Clock, Duration>> : std::true_type {};

// The same question of containers: HoldsPointers asks about what lies inside a value, this about what it leads to.
template <class T>
struct LeadsToPointers : std::bool_constant<contains<IsPointer, T>()> {};
template <class T, class A>
struct LeadsToPointers<std::vector<T, A>> : LeadsToPointers<T> {};
template <class T, class C, class A>
struct LeadsToPointers<std::set<T, C, A>> : LeadsToPointers<T> {};
template <class T, class H, class E, class A>
struct LeadsToPointers<std::unordered_set<T, H, E, A>> : LeadsToPointers<T> {};
template <class K, class V, class C, class A>
struct LeadsToPointers<std::map<K, V, C, A>> : std::disjunction<LeadsToPointers<K>, LeadsToPointers<V>> {};
template <class K, class V, class H, class E, class A>
struct LeadsToPointers<std::unordered_map<K, V, H, E, A>>
    : std::disjunction<LeadsToPointers<K>, LeadsToPointers<V>> {};

template <class T>
inline constexpr bool kHasOwnCodec = requires {
  requires Codec<T>::instead_of_bytes;
};

}  // namespace detail

// Copied byte for byte. A Codec of your own for such a type is used in its place when it has
// `static constexpr bool instead_of_bytes = true;`.
template <class T>
concept RawValue = Shareable<T> && !detail::kHasOwnCodec<T> && !detail::contains<detail::IsPointer, T>() &&
                   !detail::contains<detail::TravelsAsValue, T>();

template <class T>
concept Encodable = RawValue<T> || PickleValue<T>;

namespace detail {

template <class T>
constexpr bool check_encodable() {
  static_assert(
      !LeadsToPointers<T>::value,
      "polyproc: a pointer, reference, string_view or span means nothing in another process, also when it is "
      "hidden in a struct or container: use std::string, std::vector or a value");
  static_assert(
      LeadsToPointers<T>::value || Encodable<T>,
      "polyproc: this type cannot be encoded: make it a plain struct of types that can, or specialise "
      "polyproc::Codec<T>");
  return true;
}

template <class T>
[[nodiscard]] T read_whole(std::span<const std::byte> input, HandleTable* handles) {
  Reader in(input, handles);
  in.begin();
  T value = Codec<T>::read(in);
  in.end();
  return value;
}

// What is not in our own layout is read in general first, and written anew in that layout.
template <class T>
[[nodiscard]] T read_rewritten(std::span<const std::byte> input, std::size_t offset) {
  Writer own;
  rewrite_pickle(input, own);
  try {
    return read_whole<T>(own.bytes(), nullptr);
  } catch (const DecodeError& error) {
    throw DecodeError(error.reason(), offset);
  }
}

}  // namespace detail

// Appends the value as a pickle, whatever its type: what CPython reads.
template <class T>
void encode_pickle(const T& value, Writer& out) {
  static_assert(
      detail::LeadsToPointers<T>::value || PickleValue<T> || !Encodable<T>,
      "polyproc: this type travels as bytes alone; to make a pickle of it, specialise polyproc::Codec<T>");
  static_assert(detail::check_encodable<T>());
  if constexpr (PickleValue<T> && !detail::LeadsToPointers<T>::value) {
    out.begin();
    if constexpr (std::is_same_v<T, Object>)
      out.write_whole_object(value);
    else
      Codec<T>::write(out, value);
    out.end();
  }
}

// A T from a pickle of ours or of CPython's, protocols 0 to 5. Throws DecodeError, also when it holds another type.
template <class T>
[[nodiscard]] T decode_pickle(std::span<const std::byte> input, HandleTable* handles = nullptr) {
  static_assert(detail::check_encodable<T>());
  if constexpr (std::is_same_v<T, Object>) {
    return detail::load_pickle(input);
  } else {
    if (!detail::is_own_layout(input)) return detail::read_rewritten<T>(input, 0);
    try {
      return detail::read_whole<T>(input, handles);
    } catch (const DecodeError& error) {
      if (handles != nullptr) throw;  // what holds handles is written by us alone
      return detail::read_rewritten<T>(input, error.offset());
    }
  }
}

// A value from any pickle, also one that is not plain data: names of classes and functions, and instances, are kept as such
// (Kind::name, Kind::instance), and to_pickle writes them again. Nothing is made or called. Throws DecodeError.
[[nodiscard]] inline Object decode_any(std::span<const std::byte> input) {
  return detail::load_any_pickle(input);
}
// The same as a T: its codecs find such values by Reader::read_any_object.
template <class T>
[[nodiscard]] T decode_any(std::span<const std::byte> input) {
  static_assert(detail::check_encodable<T>());
  if constexpr (std::is_same_v<T, Object>) {
    return detail::load_any_pickle(input);
  } else {
    std::size_t offset = 0;
    if (detail::is_own_layout(input)) {
      try {
        return detail::read_whole<T>(input, nullptr);
      } catch (const DecodeError& error) {
        offset = error.offset();
      }
    }
    Writer own;
    detail::rewrite_any_pickle(input, own);
    try {
      return detail::read_whole<T>(own.bytes(), nullptr);
    } catch (const DecodeError& error) {
      throw DecodeError(error.reason(), offset);
    }
  }
}

// Appends the value in the form that wire_type<T>() names.
template <class T>
void encode(const T& value, Writer& out) {
  if constexpr (RawValue<T>)
    out.write_raw(std::as_bytes(std::span(&value, 1)));
  else
    encode_pickle(value, out);
}

template <class T>
[[nodiscard]] T decode(std::span<const std::byte> input, HandleTable* handles = nullptr) {
  if constexpr (RawValue<T>) {
    if (input.size() != sizeof(T))
      throw DecodeError(fmt::format("a value of {} bytes where there are {}", sizeof(T), input.size()), 0);
    alignas(T) std::byte place[sizeof(T)];
    std::memcpy(place, input.data(), sizeof(T));
    return *std::launder(reinterpret_cast<T*>(place));  // T is an implicit-lifetime type
  } else {
    return decode_pickle<T>(input, handles);
  }
}

// The same into and from bytes of their own.
template <class T>
[[nodiscard]] std::vector<std::byte> encode(const T& value, WriteOptions options = {}) {
  Writer out(options);
  encode(value, out);
  return {out.bytes().begin(), out.bytes().end()};
}
template <class T>
[[nodiscard]] std::vector<std::byte> to_pickle(const T& value, WriteOptions options = {}) {
  Writer out(options);
  encode_pickle(value, out);
  return {out.bytes().begin(), out.bytes().end()};
}

// "i", "(3)d", "16s:Point:" for raw values, with size and alignment; "pickle" for all others.
template <class T>
[[nodiscard]] constexpr ElementType wire_type() noexcept {
  static_assert(detail::check_encodable<T>());
  if constexpr (RawValue<T>)
    return element_type<T>();
  else
    return {"pickle", 0, 1};
}

}  // namespace polyproc::inline v0
