// SPDX-License-Identifier: MIT
// Plain structs as tuples of their members, found by Boost.PFR: aggregates without bases, C arrays and references, of at most 100
// members that can be encoded. The only header that needs Boost.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include <boost/pfr/core.hpp>
#include <boost/pfr/tuple_size.hpp>

#include <polyproc/codec/container_codec.hpp>
#include <polyproc/codec/holds_pointers.hpp>

namespace polyproc::inline v0 {

namespace detail {

template <class Whole>
struct AnyBase {
  template <class U>
  requires(std::is_base_of_v<U, Whole> && !std::is_same_v<U, Whole>) operator U() const;
};
template <class T>
concept HasBase = std::is_empty_v<T>
== false && requires { T{AnyBase<T>()}; };

// More than Boost.PFR can take apart.
inline constexpr std::size_t kTooManyMembers = 101;

// Whether the I-th of N members, as initialisers count them, begins a C array: braces stand for all its elements.
template <class T, std::size_t... Before, std::size_t... After>
constexpr bool begins_array(std::index_sequence<Before...>, std::index_sequence<After...>) {
  return requires { T{(static_cast<void>(Before), AnyMember<NothingSought, T>())..., {}}; }
  &&!requires {
    T{(static_cast<void>(Before), AnyMember<NothingSought, T>())...,
      {},
      (static_cast<void>(After), AnyMember<NothingSought, T>())...};
  };
}

template <class T, std::size_t N, std::size_t... I>
constexpr bool has_array(std::index_sequence<I...>) {
  return (begins_array<T>(std::make_index_sequence<I>(), std::make_index_sequence<N - I - 1>()) || ...);
}

template <class T>
constexpr bool is_plain_struct() {
  if constexpr (!std::is_class_v<T> || !std::is_aggregate_v<T> || std::is_empty_v<T>) {
    return false;
  } else if constexpr (HasBase<T> || contains<IsPointer, T>() || kInitialises<T, kTooManyMembers>) {
    return false;
  } else {
    constexpr std::size_t kMembers = member_count_between<T, 0, kTooManyMembers>();
    return !has_array<T, kMembers>(std::make_index_sequence<kMembers>());
  }
}

// What PFR can take apart.
template <class T>
concept PlainStruct = is_plain_struct<T>();

template <class T, class Indices = std::make_index_sequence<boost::pfr::tuple_size_v<T>>>
struct StructCodec;

template <class T, std::size_t... I>
struct StructCodec<T, std::index_sequence<I...>> : TupleCodec<T, boost::pfr::tuple_element_t<I, T>...> {
  using Base = TupleCodec<T, boost::pfr::tuple_element_t<I, T>...>;
  static void write(Writer& out, const T& value) { Base::write_parts(out, boost::pfr::get<I>(value)...); }
};

}  // namespace detail

template <detail::PlainStruct T>
struct Codec<T> : detail::StructCodec<T> {};

template <class T>
requires(std::is_empty_v<T>&& std::is_aggregate_v<T>) struct Codec<T> : detail::TupleCodec<T> {
  static void write(Writer& out, const T&) { Codec::write_parts(out); }
};

}  // namespace polyproc::inline v0
