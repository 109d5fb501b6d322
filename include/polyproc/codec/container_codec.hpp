// SPDX-License-Identifier: MIT
// Codecs of the standard library's containers, tuples, optionals and variants.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include <polyproc/codec/value_codec.hpp>

namespace polyproc::inline v0 {

template <PickleValue T, class Allocator>
struct Codec<std::vector<T, Allocator>> {
  using Vector = std::vector<T, Allocator>;
  static void write(Writer& out, const Vector& all) {
    out.begin_list(all.empty());
    if constexpr (std::is_same_v<T, double>)
      out.write_floats(all);
    else
      for (const auto& one : all) Codec<T>::write(out, one);
    out.end_list(all.empty());
  }
  static Vector read(Reader& in) {
    Vector all;
    if constexpr (std::is_same_v<Vector, std::vector<double>>)
      in.read_floats(all);
    else
      in.read_sequence([&] { all.push_back(Codec<T>::read(in)); });
    return all;
  }
};

template <PickleValue T, std::size_t N>
struct Codec<std::array<T, N>> {
  static void write(Writer& out, const std::array<T, N>& all) {
    out.begin_list(N == 0);
    for (const T& one : all) Codec<T>::write(out, one);
    out.end_list(N == 0);
  }
  static std::array<T, N> read(Reader& in) { return read(in, std::make_index_sequence<N>()); }

 private:
  template <std::size_t... I>
  static std::array<T, N> read(Reader& in, std::index_sequence<I...>) {
    if constexpr (N == 0) {
      in.read_empty_tuple();
      return {};
    } else {
      in.enter_tuple();
      std::array<T, N> all{{(static_cast<void>(I), Codec<T>::read(in))...}};
      in.leave_tuple();
      return all;
    }
  }
};

namespace detail {

// Tuples, pairs and structs: `Element<T, I>` are the types of their parts.
template <class T, class... Parts>
struct TupleCodec {
  static T read(Reader& in) {
    if constexpr (sizeof...(Parts) == 0) {
      in.read_empty_tuple();
      return T{};
    } else {
      in.enter_tuple();
      T value{Codec<Parts>::read(in)...};  // in braces: in this order
      in.leave_tuple();
      return value;
    }
  }
  static void write_parts(Writer& out, const Parts&... parts) {
    out.begin_tuple(sizeof...(Parts) == 0);
    (Codec<Parts>::write(out, parts), ...);
    out.end_tuple(sizeof...(Parts) == 0);
  }
};

template <class Set>
struct SetCodec {
  using Element = typename Set::value_type;
  static void write(Writer& out, const Set& all) {
    out.begin_set();
    for (const Element& one : all) Codec<Element>::write(out, one);
    out.end_set();
  }
  static Set read(Reader& in) {
    Set all;
    in.read_set([&] { all.insert(all.end(), Codec<Element>::read(in)); });
    return all;
  }
};

template <class Map>
struct MapCodec {
  using Key = typename Map::key_type;
  using Mapped = typename Map::mapped_type;
  static void write(Writer& out, const Map& all) {
    out.begin_dict(all.empty());
    for (const auto& [key, mapped] : all) {
      out.begin_entry();
      out.begin_key();
      Codec<Key>::write(out, key);
      out.end_key();
      Codec<Mapped>::write(out, mapped);
      out.end_entry();
    }
    out.end_dict(all.empty());
  }
  static Map read(Reader& in) {
    Map all;
    in.read_dict([&] {
      in.begin_key();
      Key key = Codec<Key>::read(in);
      in.end_key();
      if constexpr (std::is_default_constructible_v<Mapped>)  // with fewer comparisons
        all.emplace_hint(all.end(), std::move(key), Mapped{})->second = Codec<Mapped>::read(in);
      else
        all.insert_or_assign(all.end(), std::move(key), Codec<Mapped>::read(in));
    });
    return all;
  }
};

}  // namespace detail

template <PickleValue... T>
struct Codec<std::tuple<T...>> : detail::TupleCodec<std::tuple<T...>, T...> {
  static void write(Writer& out, const std::tuple<T...>& all) {
    std::apply([&](const T&... parts) { Codec::write_parts(out, parts...); }, all);
  }
};

template <PickleValue A, PickleValue B>
struct Codec<std::pair<A, B>> : detail::TupleCodec<std::pair<A, B>, A, B> {
  static void write(Writer& out, const std::pair<A, B>& both) {
    Codec::write_parts(out, both.first, both.second);
  }
};

template <PickleValue T, class C, class A>
struct Codec<std::set<T, C, A>> : detail::SetCodec<std::set<T, C, A>> {};
template <PickleValue T, class H, class E, class A>
struct Codec<std::unordered_set<T, H, E, A>> : detail::SetCodec<std::unordered_set<T, H, E, A>> {};
template <PickleValue K, PickleValue V, class C, class A>
struct Codec<std::map<K, V, C, A>> : detail::MapCodec<std::map<K, V, C, A>> {};
template <PickleValue K, PickleValue V, class H, class E, class A>
struct Codec<std::unordered_map<K, V, H, E, A>> : detail::MapCodec<std::unordered_map<K, V, H, E, A>> {};

// None or the value; the value in a tuple of one where it may itself be None.
template <PickleValue T>
struct Codec<std::optional<T>> {
  static constexpr bool may_be_none = true;
  static void write(Writer& out, const std::optional<T>& value) {
    if (!value) return out.write_none();
    if constexpr (detail::kMayBeNone<T>) out.begin_tuple(false);
    Codec<T>::write(out, *value);
    if constexpr (detail::kMayBeNone<T>) out.end_tuple(false);
  }
  static std::optional<T> read(Reader& in) {
    if (in.try_none()) return std::nullopt;
    if constexpr (detail::kMayBeNone<T>) in.enter_tuple();
    std::optional<T> value(Codec<T>::read(in));
    if constexpr (detail::kMayBeNone<T>) in.leave_tuple();
    return value;
  }
};

template <>
struct Codec<std::monostate> {
  static constexpr bool may_be_none = true;
  static void write(Writer& out, std::monostate) { out.write_none(); }
  static std::monostate read(Reader& in) {
    if (!in.try_none()) in.fail("None is expected");
    return {};
  }
};

// (number of the alternative, value). Throws InvalidArgument for a variant without value.
template <PickleValue... T>
struct Codec<std::variant<T...>> {
  using Variant = std::variant<T...>;
  static void write(Writer& out, const Variant& value) {
    if (value.valueless_by_exception()) throw InvalidArgument("encode: a variant has no value");
    out.begin_tuple(false);
    out.write_int(static_cast<std::int64_t>(value.index()));
    std::visit([&]<class A>(const A& alternative) { Codec<A>::write(out, alternative); }, value);
    out.end_tuple(false);
  }
  static Variant read(Reader& in) {
    in.enter_tuple();
    Variant value = read(in, in.read_int(), std::index_sequence_for<T...>());
    in.leave_tuple();
    return value;
  }

 private:
  template <std::size_t... I>
  static Variant read(Reader& in, std::int64_t index, std::index_sequence<I...>) {
    std::optional<Variant> value;
    ((static_cast<std::int64_t>(I) == index
          ? static_cast<void>(value.emplace(std::in_place_index<I>, Codec<T>::read(in)))
          : static_cast<void>(0)),
     ...);
    if (!value) in.fail("the variant has no alternative of this number");
    return std::move(*value);
  }
};

}  // namespace polyproc::inline v0
