// SPDX-License-Identifier: MIT
// kHoldsPointers<T>: whether a T leads to memory outside itself, which means nothing in another process. It looks into
// plain structs, their bases and C arrays, so that a pointer hidden there is refused when the program is compiled.
//
// Found are pointers, references, pointers to members, std::string_view, std::span, std::reference_wrapper and smart
// pointers, also inside std::array, pair, tuple, optional, variant and aggregates, at any depth. A class with private
// members or constructors of its own (std::vector, a lambda) is taken at its word: it cannot be looked into.
// Beyond 2,048 scalars in one struct, elements of C arrays counted one by one, the rest is not looked at.
//
// How: an aggregate is initialised, unevaluated, from placeholders that convert to anything. The conversion to what holds
// pointers is the one that may throw, so `noexcept` tells whether it was used.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <polyproc/os/config.hpp>

namespace polyproc::inline v0 {
namespace detail {

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"      // a placeholder may become an optional in two ways
#pragma GCC diagnostic ignored "-Wmissing-braces"  // elements of inner arrays are given one by one

// Whether a T is, or has among its members at any depth, a type for which Sought<type>::value is true.
template <template <class> class Sought, class T>
constexpr bool contains();

// Converts to the type of any member of Whole, or of a base. An optional takes it by its own constructor, for what it
// holds, and asks whether that can be made explicitly. Nobody calls these, but for a U without linkage clang wants them defined.
template <template <class> class Sought, class Whole>
struct AnyMember {
  template <class U>
  requires(!std::is_same_v<U, Whole>) operator U() const& noexcept(!contains<Sought, U>()) {
    __builtin_unreachable();
  }
  template <class U>
  requires(!std::is_same_v<U, Whole>) explicit operator U() && noexcept(
      !contains<Sought, std::optional<U>>()) {
    __builtin_unreachable();
  }
};

template <class T>
struct NothingSought : std::false_type {};

template <class T, std::size_t... I>
constexpr bool initialises(std::index_sequence<I...>) {
  return requires { T{(static_cast<void>(I), AnyMember<NothingSought, T>())...}; };
}

template <template <class> class Sought, class T, std::size_t... I>
constexpr bool initialises_without(std::index_sequence<I...>) {
  return noexcept(T{(static_cast<void>(I), AnyMember<Sought, T>())...});
}

// Whether T can be initialised from N placeholders.
template <class T, std::size_t N>
inline constexpr bool kInitialises = initialises<T>(std::make_index_sequence<N>());

#pragma GCC diagnostic pop

inline constexpr std::size_t kMostMembers = 2048;
inline constexpr std::size_t kMostRequired = 128;

// The most placeholders that T can be initialised from: `Low` are possible, `High` are not.
template <class T, std::size_t Low, std::size_t High>
constexpr std::size_t member_count_between() {
  if constexpr (High - Low == 1)
    return Low;
  else if constexpr (kInitialises<T, (Low + High) / 2>)
    return member_count_between<T, (Low + High) / 2, High>();
  else
    return member_count_between<T, Low, (Low + High) / 2>();
}

// The same, where `Low` are possible.
template <class T, std::size_t Low>
constexpr std::size_t member_count_from() {
  if constexpr (Low >= kMostMembers)
    return Low;
  else if constexpr (kInitialises<T, 2 * Low + 1>)
    return member_count_from<T, 2 * Low + 1>();
  else
    return member_count_between<T, Low, 2 * Low + 1>();
}

// Fewer are refused when a later member must be given a value. One that cannot be had so is a reference.
template <template <class> class Sought, class T, std::size_t N = 0>
constexpr bool aggregate_contains() {
  if constexpr (kInitialises<T, N>)
    return !initialises_without<Sought, T>(std::make_index_sequence<member_count_from<T, N>()>());
  else if constexpr (N < kMostRequired)
    return aggregate_contains<Sought, T, N + 1>();
  else
    return Sought<int&>::value;
}

template <template <class> class Sought, class T>
struct Contains {
  static constexpr bool value() {
    if constexpr (std::is_aggregate_v<T> && !std::is_union_v<T>)
      return aggregate_contains<Sought, T>();
    else
      return false;
  }
};
template <template <class> class Sought, class T, std::size_t N>
struct Contains<Sought, T[N]> {
  static constexpr bool value() { return contains<Sought, T>(); }
};
template <template <class> class Sought, class T, std::size_t N>
struct Contains<Sought, std::array<T, N>> : Contains<Sought, T[N == 0 ? 1 : N]> {};
template <template <class> class Sought, class... T>
struct ContainsInAny {
  static constexpr bool value() { return (contains<Sought, T>() || ...); }
};
template <template <class> class Sought, class A, class B>
struct Contains<Sought, std::pair<A, B>> : ContainsInAny<Sought, A, B> {};
template <template <class> class Sought, class... T>
struct Contains<Sought, std::tuple<T...>> : ContainsInAny<Sought, T...> {};
template <template <class> class Sought, class... T>
struct Contains<Sought, std::variant<T...>> : ContainsInAny<Sought, T...> {};
template <template <class> class Sought, class T>
struct Contains<Sought, std::optional<T>> : ContainsInAny<Sought, T> {};

template <template <class> class Sought, class T>
constexpr bool contains() {
  if constexpr (Sought<std::remove_cv_t<T>>::value)
    return true;
  else
    return Contains<Sought, std::remove_cv_t<T>>::value();
}

template <class T>
struct IsPointer : std::bool_constant<std::is_reference_v<T> || std::is_pointer_v<T> ||
                                      std::is_member_pointer_v<T> || std::is_null_pointer_v<T>> {};
template <class C, class Traits>
struct IsPointer<std::basic_string_view<C, Traits>> : std::true_type {};
template <class T, std::size_t N>
struct IsPointer<std::span<T, N>> : std::true_type {};
template <class T>
struct IsPointer<std::reference_wrapper<T>> : std::true_type {};
template <class T, class D>
struct IsPointer<std::unique_ptr<T, D>> : std::true_type {};
template <class T>
struct IsPointer<std::shared_ptr<T>> : std::true_type {};
template <class T>
struct IsPointer<std::weak_ptr<T>> : std::true_type {};

}  // namespace detail

template <class T>
inline constexpr bool kHoldsPointers = detail::contains<detail::IsPointer, T>();

}  // namespace polyproc::inline v0
