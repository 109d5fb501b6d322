// SPDX-License-Identifier: MIT
// Proxy: names an object in a manager's server. Calls go there, and what they raise comes back as an exception.
//
//     polyproc::Proxy account = manager.create("Account", "Sam", 100);
//     account.call<int>("deposit", 5);
//     auto later = account.call_async<int>("balance");      // many may be under way at a time
//     std::cout << later.get();
//
// A copy names the same object, which lives as long as a proxy of it, in whatever process. Proxies of the types that every
// server has are in proxies.hpp. Thread safety: any number of threads may use one.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <polyproc/codec/codec.hpp>
#include <polyproc/os/deadline.hpp>
#include <polyproc/process/value_transfer.hpp>

namespace polyproc::inline v0 {

class Link;
class PendingAnswer;
class Proxy;

namespace detail {

// Text of any kind is a string.
template <class A>
void write_argument(Writer& out, const A& argument) {
  if constexpr (std::is_convertible_v<const A&, std::string_view>) {
    out.write_string(argument);
  } else {
    static_assert(check_encodable<A>());
    static_assert(PickleValue<A>,
                  "polyproc: this type travels as bytes alone; specialise polyproc::Codec<T>");
    Codec<A>::write(out, argument);
  }
}

// The pickle of a tuple of them.
template <class... A>
void write_arguments(Writer& out, const A&... arguments) {
  out.begin();
  out.begin_tuple(sizeof...(A) == 0);
  (write_argument(out, arguments), ...);
  out.end_tuple(sizeof...(A) == 0);
  out.end();
}

// An answer that has come; while it lives, its server keeps what it names.
class POLYPROC_API Answered {
 public:
  explicit Answered(std::shared_ptr<PendingAnswer> answer) noexcept;
  Answered(Answered&&) noexcept;
  Answered& operator=(Answered&&) noexcept;
  ~Answered();
  // Throws what the call raised.
  template <class T>
  [[nodiscard]] T as() const;

 private:
  class POLYPROC_API Scope {
   public:
    explicit Scope(const Answered& answered);
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope();

   private:
    Link* before_;
  };
  [[nodiscard]] std::span<const std::byte> pickle() const;
  [[nodiscard]] Object object() const;
  std::shared_ptr<PendingAnswer> answer_;
};

}  // namespace detail

// What a call will return.
template <class T>
class ManagerFuture;

class POLYPROC_API FutureBase {
 public:
  // Whether get() returns at once.
  [[nodiscard]] bool ready() const;
  void wait() const { (void)wait_until(Deadline::never()); }
  // False at the deadline.
  [[nodiscard]] bool wait_until(Deadline deadline) const;
  template <class Rep, class Period>
  [[nodiscard]] bool wait_for(const std::chrono::duration<Rep, Period>& timeout) const {
    return wait_until(Deadline::after(timeout));
  }
  [[nodiscard]] bool valid() const noexcept { return answer_ != nullptr; }

 protected:
  explicit FutureBase(std::shared_ptr<PendingAnswer> answer) noexcept : answer_(std::move(answer)) {}
  [[nodiscard]] detail::Answered take();

 private:
  std::shared_ptr<PendingAnswer> answer_;
};

template <class T>
class ManagerFuture : public FutureBase {
 public:
  // Once; throws what the call raised.
  T get() {
    const detail::Answered answered = take();
    if constexpr (std::is_void_v<T>)
      (void)answered.template as<Object>();
    else
      return answered.template as<T>();
  }

 private:
  friend class Proxy;
  using FutureBase::FutureBase;
};

class POLYPROC_API Proxy {
 public:
  // Names nothing.
  Proxy() noexcept;
  // Of a value that a call has returned, where it is a proxy. Throws TypeMismatch for any other, UsageError when this process
  // has no connection to its server (Manager::connect).
  explicit Proxy(const Object& value);
  [[nodiscard]] static bool is_proxy(const Object& value);
  Proxy(const Proxy&) noexcept;
  Proxy(Proxy&&) noexcept;
  Proxy& operator=(const Proxy&) noexcept;
  Proxy& operator=(Proxy&&) noexcept;
  ~Proxy();

  [[nodiscard]] explicit operator bool() const noexcept { return reference_ != nullptr; }
  // "list", "Bank": as it was registered.
  [[nodiscard]] const std::string& type() const;
  // Which methods it has.
  [[nodiscard]] const std::vector<std::string>& methods() const;

  // Throws what the method raises: Empty, Full, ShutDown, OwnerDied, BrokenBarrier as these, all else as RemoteError;
  // Closed when the server is gone.
  template <class R = Object, class... A>
  R call(std::string_view method, const A&... arguments) const {
    return call_async<R>(method, arguments...).get();
  }
  // Against CPython's servers the call is done when this returns.
  template <class R = Object, class... A>
  [[nodiscard]] ManagerFuture<R> call_async(std::string_view method, const A&... arguments) const {
    Writer out;
    detail::write_arguments(out, arguments...);
    return ManagerFuture<R>(start(method, out.bytes(), false));
  }
  // With arguments by name, as a dict.
  template <class R = Object>
  R call_by_name(std::string_view method, const Object& arguments, const Object& keywords) const {
    Writer out;
    encode_pickle(Object::tuple({arguments, keywords}), out);
    return ManagerFuture<R>(start(method, out.bytes(), true)).get();
  }
  // The object that a method makes and shares.
  template <class... A>
  [[nodiscard]] Proxy call_shared(std::string_view method, const A&... arguments) const {
    Writer out;
    detail::write_arguments(out, arguments...);
    return shared_from(start(method, out.bytes(), false));
  }

  // A copy of the object, and how Python prints it.
  [[nodiscard]] Object get_value() const { return call("#GETVALUE"); }
  [[nodiscard]] std::string str() const { return call<std::string>("__str__"); }

  // Whether both name the same object.
  friend POLYPROC_API bool operator==(const Proxy& a, const Proxy& b) noexcept;
  friend POLYPROC_API std::ostream& operator<<(std::ostream& out, const Proxy& proxy);

  // As it travels inside of values: what CPython rebuilds a proxy from.
  [[nodiscard]] Object to_object() const;

 private:
  friend class Manager;
  friend class detail::Answered;
  template <class T>
  friend struct Transfer;
  struct Reference;
  explicit Proxy(std::shared_ptr<Reference> reference) noexcept;
  [[nodiscard]] static Proxy shared_from(std::shared_ptr<PendingAnswer> answer);
  [[nodiscard]] const Reference& reference() const;
  [[nodiscard]] std::shared_ptr<PendingAnswer> start(std::string_view method,
                                                     std::span<const std::byte> arguments,
                                                     bool by_name) const;
  void encode(Encoder& out) const;
  [[nodiscard]] static Proxy decode(Decoder& in);

  std::shared_ptr<Reference> reference_;
};

template <class T>
T detail::Answered::as() const {
  if constexpr (std::is_same_v<T, Object>) {
    return object();
  } else {
    const Scope scope(*this);
    return decode_any<T>(pickle());
  }
}

namespace detail {
template <std::derived_from<Proxy> P>
inline constexpr bool kHasTransfer<P> = true;
}

// Types that are proxies travel alike.
template <std::derived_from<Proxy> P>
struct Codec<P> {
  static void write(Writer& out, const P& proxy) { out.write_object(proxy.to_object()); }
  static P read(Reader& in) {
    const Object value = in.read_any_object();
    if (!Proxy::is_proxy(value)) in.fail("a proxy is expected, and there is another value");
    return P(Proxy(value));
  }
};

// To a child, with what it needs to connect.
template <std::derived_from<Proxy> P>
struct Transfer<P> {
  static void encode(Encoder& out, const P& proxy) { proxy.encode(out); }
  static P decode(Decoder& in) { return P(Proxy::decode(in)); }
};

}  // namespace polyproc::inline v0

template <std::derived_from<polyproc::Proxy> P>
struct fmt::formatter<P> : fmt::formatter<std::string> {
  template <class Context>
  auto format(const P& proxy, Context& context) const {
    return fmt::formatter<std::string>::format(proxy.str(), context);
  }
};
