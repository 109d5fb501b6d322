// SPDX-License-Identifier: MIT
// Classes of the program's own in a manager's server: their objects live there, and clients call their methods.
//
//     polyproc::Manager::type<Bank>("Bank")
//         .constructor<std::string>()
//         .method("deposit", &Bank::deposit)
//         .method("balance", &Bank::balance);
//
// Registered before the manager starts, whatever the start method. One thread calls them all, so that each call is atomic: they
// should be short. Arguments and results are encodable values; an object that a method returns by shared pointer is shared itself, as one
// of the type that is registered for its class, and null is None. What a method throws reaches its caller as RemoteError (RuntimeError
// with the exception's class and text).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <polyproc/codec/codec.hpp>
#include <polyproc/process/transfer.hpp>

namespace polyproc::inline v0 {

namespace detail {

// Its address tells a class from others, within a process.
template <class T>
inline char class_key = 0;

template <class R>
struct SharedResult : std::false_type {};
template <class U>
struct SharedResult<std::shared_ptr<U>> : std::true_type {
  using Class = U;
};

// Anything that runs in the server: made from the pickle of a tuple of arguments.
class POLYPROC_API UserCall {
 public:
  virtual ~UserCall();
  // Returns the object when it shares one, else appends the pickle of the result. Throws whatever it throws.
  virtual std::shared_ptr<void> run(void* object, std::span<const std::byte> arguments,
                                    Writer& result) const = 0;
  // The class whose method it is, and that of the objects that it shares; null where it returns values.
  [[nodiscard]] virtual const void* owner() const noexcept = 0;
  [[nodiscard]] virtual const void* shares() const noexcept = 0;
  virtual void encode(Encoder& out) const = 0;
};
using DecodeUserCall = std::unique_ptr<UserCall> (*)(Decoder& in);

template <class F>
struct MethodTraits;
#define POLYPROC_METHOD_TRAITS(Qualifiers)                   \
  template <class R, class C, class... A>                    \
  struct MethodTraits<R (C::*)(A...) Qualifiers> {           \
    using Result = R;                                        \
    using Class = C;                                         \
    using Arguments = std::tuple<std::remove_cvref_t<A>...>; \
  }
POLYPROC_METHOD_TRAITS();
POLYPROC_METHOD_TRAITS(const);
POLYPROC_METHOD_TRAITS(noexcept);
POLYPROC_METHOD_TRAITS(const noexcept);
#undef POLYPROC_METHOD_TRAITS

template <class R, class Body>
void write_result(Writer& out, Body body) {
  if constexpr (std::is_void_v<R>) {
    body();
    encode_pickle(Object(), out);
  } else {
    encode_pickle<std::remove_cvref_t<R>>(body(), out);
  }
}

template <class T, class F>
class UserMethod final : public UserCall {
 public:
  using Traits = MethodTraits<F>;
  using Shared = SharedResult<std::remove_cvref_t<typename Traits::Result>>;
  explicit UserMethod(F method) noexcept : method_(method) {}

  std::shared_ptr<void> run(void* object, std::span<const std::byte> pickle, Writer& result) const override {
    auto arguments = decode_any<typename Traits::Arguments>(pickle);
    const auto call = [&]() -> typename Traits::Result {
      return std::apply(
          [&](auto&... each) ->
          typename Traits::Result { return (static_cast<T*>(object)->*method_)(std::move(each)...); },
          arguments);
    };
    if constexpr (Shared::value) {
      return call();
    } else {
      write_result<typename Traits::Result>(result, call);
      return nullptr;
    }
  }
  [[nodiscard]] const void* owner() const noexcept override { return &class_key<T>; }
  [[nodiscard]] const void* shares() const noexcept override {
    if constexpr (Shared::value) return &class_key<typename Shared::Class>;
    return nullptr;
  }
  void encode(Encoder& out) const override {
    const DecodeUserCall decode = [](Decoder& in) -> std::unique_ptr<UserCall> {
      return std::make_unique<UserMethod>(Transfer<F>::decode(in));
    };
    out.write_function(reinterpret_cast<const void*>(decode));
    Transfer<F>::encode(out, method_);
  }

 private:
  F method_;
};

// Makes objects; they are kept by shared pointers.
class POLYPROC_API UserMaker {
 public:
  virtual ~UserMaker();
  [[nodiscard]] virtual std::shared_ptr<void> make(std::span<const std::byte> arguments) const = 0;
  [[nodiscard]] virtual const void* makes() const noexcept = 0;
  virtual void encode(Encoder& out) const = 0;
};
using DecodeUserMaker = std::unique_ptr<UserMaker> (*)(Decoder& in);

template <class T, class... A>
class UserConstructor final : public UserMaker {
 public:
  [[nodiscard]] std::shared_ptr<void> make(std::span<const std::byte> pickle) const override {
    auto arguments = decode_pickle<std::tuple<A...>>(pickle);
    return std::apply([](A&... each) { return std::make_shared<T>(std::move(each)...); }, arguments);
  }
  [[nodiscard]] const void* makes() const noexcept override { return &class_key<T>; }
  void encode(Encoder& out) const override {
    const DecodeUserMaker decode = [](Decoder&) -> std::unique_ptr<UserMaker> {
      return std::make_unique<UserConstructor>();
    };
    out.write_function(reinterpret_cast<const void*>(decode));
  }
};

// A function that returns what is to be shared; the same object each time is shared by all.
template <class T, class... A>
class UserFactory final : public UserMaker {
 public:
  using Function = std::shared_ptr<T> (*)(A...);
  explicit UserFactory(Function function) noexcept : function_(function) {}
  [[nodiscard]] std::shared_ptr<void> make(std::span<const std::byte> pickle) const override {
    auto arguments = decode_pickle<std::tuple<std::remove_cvref_t<A>...>>(pickle);
    return std::apply([&](auto&... each) { return function_(std::move(each)...); }, arguments);
  }
  [[nodiscard]] const void* makes() const noexcept override { return &class_key<T>; }
  void encode(Encoder& out) const override {
    const DecodeUserMaker decode = [](Decoder& in) -> std::unique_ptr<UserMaker> {
      return std::make_unique<UserFactory>(Transfer<Function>::decode(in));
    };
    out.write_function(reinterpret_cast<const void*>(decode));
    Transfer<Function>::encode(out, function_);
  }

 private:
  Function function_;
};

struct POLYPROC_API UserType {
  std::string name;
  std::shared_ptr<const UserMaker> maker;
  std::vector<std::pair<std::string, std::shared_ptr<const UserCall>>> methods;

  // What it is registered for; null where that cannot be known, since nothing was said of it.
  [[nodiscard]] const void* key() const noexcept;
  void encode(Encoder& out) const;
  [[nodiscard]] static UserType decode(Decoder& in);
};

}  // namespace detail

// Of a type that is being registered.
template <class T>
class UserTypeBuilder {
 public:
  explicit UserTypeBuilder(std::shared_ptr<detail::UserType> type) noexcept : type_(std::move(type)) {}

  // With what arguments clients make one; without arguments unless said otherwise.
  template <class... A>
  UserTypeBuilder& constructor() {
    type_->maker = std::make_shared<detail::UserConstructor<T, A...>>();
    return *this;
  }
  // A function, or a lambda without captures, that makes or finds the object.
  template <class... A>
  UserTypeBuilder& factory(std::shared_ptr<T> (*function)(A...)) {
    type_->maker = std::make_shared<detail::UserFactory<T, A...>>(function);
    return *this;
  }
  template <class F>
  UserTypeBuilder& method(std::string name, F method) {
    static_assert(std::is_base_of_v<typename detail::MethodTraits<F>::Class, T>,
                  "polyproc: a method of another class");
    type_->methods.emplace_back(std::move(name), std::make_shared<detail::UserMethod<T, F>>(method));
    return *this;
  }

 private:
  std::shared_ptr<detail::UserType> type_;
};

}  // namespace polyproc::inline v0

template <>
struct polyproc::Transfer<polyproc::detail::UserType> {
  static void encode(Encoder& out, const detail::UserType& type) { type.encode(out); }
  static detail::UserType decode(Decoder& in) { return detail::UserType::decode(in); }
};
