// SPDX-License-Identifier: MIT
// What a process is to run: a callable and its arguments, either to be called in a fork of this process, or to be
// written down as a call that a newly started program can make.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <polyproc/process/value_transfer.hpp>

namespace polyproc::inline v0 {

// The compiled core knows a call only by this.
class POLYPROC_API ProcessTarget {
 public:
  virtual ~ProcessTarget();
  // Makes the call, once: the arguments may be moved from.
  virtual void run() = 0;
  // Writes a function of type DecodeTarget and what it reads. Throws UsageError when something cannot go.
  virtual void encode(Encoder& out) const = 0;
};
// Makes an equal target in the new program.
using DecodeTarget = std::unique_ptr<ProcessTarget> (*)(Decoder& in);

namespace detail {

[[noreturn]] POLYPROC_API void throw_not_transferable(std::string_view type, bool callable);

// A callable that a new program can have: a function, or a function object or lambda without state.
template <class F>
inline constexpr bool kStateless =
    std::is_class_v<F>&& std::is_empty_v<F>&& std::is_default_constructible_v<F>;
template <class F>
inline constexpr bool kSpawnable =
    kStateless<F> || FunctionPointer<F> || std::is_member_function_pointer_v<F>;

template <class F>
void encode_callable(Encoder& out, const F& fn) {
  if constexpr (kStateless<F>)
    return;
  else if constexpr (kSpawnable<F>)
    Transfer<F>::encode(out, fn);
  else
    throw_not_transferable(type_name<F>(), true);
}

template <class F>
F decode_callable(Decoder& in) {
  if constexpr (kStateless<F>)
    return F{};
  else
    return Transfer<F>::decode(in);
}

template <class T>
void encode_argument(Encoder& out, const T& argument) {
  if constexpr (Transferable<T>)
    Transfer<T>::encode(out, argument);
  else
    throw_not_transferable(type_name<T>(), false);
}

// Arguments are the process's own copies. They are passed as rvalues where the function takes them so, else as
// lvalues: a parameter `Queue<int>& queue` is fine.
template <class F, class... Args>
void call(F& fn, std::tuple<Args...>& arguments) {
  if constexpr (std::is_invocable_v<F&, Args...>)
    (void)std::apply([&](Args&... each) { std::invoke(fn, std::move(each)...); }, arguments);
  else
    (void)std::apply([&](Args&... each) { std::invoke(fn, each...); }, arguments);
}

template <class F, class... Args>
inline constexpr bool kCallable = std::is_invocable_v<F&, Args...> || std::is_invocable_v<F&, Args&...>;

template <class F, class... Args>
std::unique_ptr<ProcessTarget> decode_target(Decoder& in);

template <class F, class... Args>
class TargetOf final : public ProcessTarget {
 public:
  template <class G>
  TargetOf(G&& fn, std::tuple<Args...> arguments)
      : fn_(std::forward<G>(fn)), arguments_(std::move(arguments)) {}

  void run() override { call(fn_, arguments_); }

  void encode(Encoder& out) const override {
    if constexpr (kSpawnable<F> && (Transferable<Args> && ...)) {
      const DecodeTarget decode = &decode_target<F, Args...>;
      out.write_function(reinterpret_cast<const void*>(decode));
    }
    encode_callable(out, fn_);
    std::apply([&](const Args&... each) { (encode_argument(out, each), ...); }, arguments_);
  }

 private:
  F fn_;
  std::tuple<Args...> arguments_;
};

template <class F, class... Args>
std::unique_ptr<ProcessTarget> decode_target(Decoder& in) {
  F fn = decode_callable<F>(in);
  return std::make_unique<TargetOf<F, Args...>>(std::move(fn),
                                                std::tuple<Args...>{Transfer<Args>::decode(in)...});
}

// A text literal is kept as a string where the function takes one: unlike the literal it can go anywhere.
template <class A>
using StoredText =
    std::conditional_t<std::is_convertible_v<A, const char*> && std::is_array_v<std::remove_reference_t<A>>,
                       std::string, std::decay_t<A>>;

template <class F, class... Args>
std::unique_ptr<ProcessTarget> make_target(F&& fn, Args&&... arguments) {
  using Fn = std::decay_t<F>;
  const auto make = [&]<class... Stored>(std::type_identity<std::tuple<Stored...>>) {
    return std::make_unique<TargetOf<Fn, Stored...>>(std::forward<F>(fn),
                                                     std::tuple<Stored...>(std::forward<Args>(arguments)...));
  };
  if constexpr (kCallable<Fn, StoredText<Args>...>) {
    return make(std::type_identity<std::tuple<StoredText<Args>...>>());
  } else {
    static_assert(kCallable<Fn, std::decay_t<Args>...>, "the function cannot be called with these arguments");
    return make(std::type_identity<std::tuple<std::decay_t<Args>...>>());
  }
}

// For where the start method is known when the program is compiled.
template <class F, class... Args>
constexpr bool check_spawnable() {
  using Fn = std::decay_t<F>;
  static_assert(
      kSpawnable<Fn>,
      "spawn starts a new program, which has no copy of this callable's state: pass a function, or a "
      "lambda without captures, and hand over the data as arguments");
  static_assert(
      (Transferable<
           std::conditional_t<kCallable<Fn, StoredText<Args>...>, StoredText<Args>, std::decay_t<Args>>> &&
       ...),
      "spawn starts a new program: pointers, references and views mean nothing there; pass values, strings, "
      "vectors of them or shared objects, or specialise polyproc::Transfer for the type");
  return true;
}

}  // namespace detail
}  // namespace polyproc::inline v0
