// SPDX-License-Identifier: MIT
// Calls as a pool sends them: the function and its type once, the arguments of each call; and the same calls as a worker makes them.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <polyproc/pool/byte_pool.hpp>
#include <polyproc/process/target.hpp>

namespace polyproc::inline v0::detail {

template <class F, class... Args>
auto call_task(F& fn, std::tuple<Args...>& arguments) -> decltype(auto) {
  if constexpr (std::is_invocable_v<F&, Args...>)
    return std::apply([&](Args&... each) -> decltype(auto) { return std::invoke(fn, std::move(each)...); },
                      arguments);
  else
    return std::apply([&](Args&... each) -> decltype(auto) { return std::invoke(fn, each...); }, arguments);
}

// What a call gives, as a value; void is void.
template <class F, class... Args>
using TaskResult =
    std::decay_t<decltype(call_task(std::declval<F&>(), std::declval<std::tuple<Args...>&>()))>;
// As an element of a sequence.
template <class R>
using Stored = std::conditional_t<std::is_void_v<R>, std::monostate, R>;

template <class F, class... Args>
constexpr void check_task() {
  static_assert(
      kSpawnable<F>,
      "a task runs in another process, which has no copy of this callable's state: pass a function, or a "
      "lambda without captures, and hand over the data as arguments");
  static_assert(
      (Transferable<Args> && ...),
      "a task runs in another process: pointers, references and views mean nothing there; pass values, "
      "strings, vectors of them or shared objects, or specialise polyproc::Transfer for the type");
  static_assert(
      Transferable<Stored<TaskResult<F, Args...>>>,
      "the result of a task comes from another process: it must be a value that can go there, or void; or "
      "specialise polyproc::Transfer for its type");
}

// Calls and writes down the result.
template <class F, class... Args>
void run_call(F& fn, std::tuple<Args...>& arguments, Encoder& result) {
  using R = TaskResult<F, Args...>;
  if constexpr (std::is_void_v<R>)
    call_task(fn, arguments);
  else
    Transfer<R>::encode(result, call_task(fn, arguments));
}

template <class F, class... Args>
class CallFunction final : public TaskFunction {
 public:
  explicit CallFunction(F fn) : fn_(std::move(fn)) {}
  bool run(Decoder& in, Encoder& result) override {
    std::tuple<Args...> arguments{Transfer<Args>::decode(in)...};
    run_call(fn_, arguments, result);
    return true;
  }
  static std::unique_ptr<TaskFunction> decode(Decoder& in) {
    return std::make_unique<CallFunction>(decode_callable<F>(in));
  }

 private:
  F fn_;
};

template <class F, class Tuple>
struct SpreadResult;
template <class F, class... Args>
struct SpreadResult<F, std::tuple<Args...>> {
  using type = TaskResult<F, Args...>;
  static constexpr void check() { check_task<F, Args...>(); }
};
template <class F, class A, class B>
struct SpreadResult<F, std::pair<A, B>> : SpreadResult<F, std::tuple<A, B>> {};

// Of a call for an element of type T, as one argument or as many.
template <class F, class T, bool kSpread>
struct ElementCall {
  using Result = TaskResult<F, T>;
  static constexpr void check() { check_task<F, T>(); }
};
template <class F, class T>
struct ElementCall<F, T, true> {
  using Result = typename SpreadResult<F, T>::type;
  static constexpr void check() { SpreadResult<F, T>::check(); }
};

// Results whose bytes are themselves are sent together.
template <class R>
inline constexpr bool kRawResult =
    SentRaw<R> && !std::is_same_v<R, bool> && !std::is_same_v<R, std::monostate>;
// Others behind their length, so that one that cannot be read costs no other; those of one length do without.
template <class R>
inline constexpr bool kHasLength = !SentRaw<R> && !std::is_same_v<R, std::monostate>;

// The exceptions among the results of a chunk.
struct POLYPROC_API Exceptions {
  std::vector<std::uint64_t> indices = {};
  std::vector<std::size_t> ends = {};  // of their texts
  Encoder texts = {};
  // Inside a handler: of the call for the element of this number.
  void add(std::uint64_t index);
  // Puts them before the results, of `raw` bytes each or of any length (0), which begin with their number at `begin`. Of raw ones
  // there is a place for the failed ones too, which goes.
  void write(Encoder& out, std::size_t begin, std::size_t raw) const;
};

// A call for each element; an exception costs its own element alone. Results: their number, that of the exceptions, and these, each
// behind the number of its element; then the results of all other elements, each behind its length if that may differ.
template <class F, class T, bool kSpread>
class ChunkFunction final : public TaskFunction {
 public:
  explicit ChunkFunction(F fn) : fn_(std::move(fn)) {}
  bool run(Decoder& in, Encoder& out) override {
    const std::size_t begin = out.bytes().size();
    Exceptions exceptions;
    if constexpr (SentRaw<T>) {
      const std::uint64_t count = in.read_length(sizeof(T));
      const std::byte* at = in.read(count * sizeof(T)).data();
      call_each(count, out, exceptions, [&](std::uint64_t i) {
        alignas(T) std::array<std::byte, sizeof(T)> bytes;
        std::memcpy(bytes.data(), at + i * sizeof(T), sizeof(T));
        return std::bit_cast<T>(bytes);
      });
    } else {
      auto elements = Transfer<std::vector<T>>::decode(in);
      call_each(elements.size(), out, exceptions,
                [&](std::uint64_t i) -> T&& { return std::move(elements[i]); });
    }
    if (exceptions.indices.empty()) return true;
    exceptions.write(out, begin, kRawResult<R> ? sizeof(R) : 0);
    return false;
  }
  static std::unique_ptr<TaskFunction> decode(Decoder& in) {
    return std::make_unique<ChunkFunction>(decode_callable<F>(in));
  }

 private:
  using R = Stored<typename ElementCall<F, T, kSpread>::Result>;

  template <class Element>
  void call_each(std::uint64_t count, Encoder& out, Exceptions& exceptions, Element element) {
    out.write_count(count);
    out.write_count(0);
    std::byte* place = nullptr;
    if constexpr (kRawResult<R>) place = out.extend(count * sizeof(R));
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::size_t end = out.bytes().size();
      try {
        if constexpr (kRawResult<R>) {
          const R result = call_one(element(i));
          std::memcpy(place + i * sizeof(R), &result, sizeof(R));
        } else if constexpr (std::is_same_v<R, std::monostate>) {
          call_one(element(i));
        } else {
          encode_result(out, call_one(element(i)));
        }
      } catch (...) {
        out.truncate(end);
        exceptions.add(i);
      }
    }
  }

  static void encode_result(Encoder& out, const R& result) {
    if constexpr (kHasLength<R>) out.write_count(0);
    const std::size_t begin = out.bytes().size();
    Transfer<R>::encode(out, result);
    if constexpr (kHasLength<R>) out.write_count_at(begin - sizeof begin, out.bytes().size() - begin);
  }

  template <class E>
  decltype(auto) call_one(E&& element) {
    if constexpr (kSpread) {
      return std::apply([&](auto&... each) -> decltype(auto) { return call_spread(std::move(each)...); },
                        element);
    } else {
      std::tuple<T> argument(std::forward<E>(element));
      return result_of(argument);
    }
  }
  template <class... Each>
  decltype(auto) call_spread(Each&&... each) {
    std::tuple<std::decay_t<Each>...> arguments(std::forward<Each>(each)...);
    return result_of(arguments);
  }
  // By value: what a reference in it names may end with the arguments.
  template <class Tuple>
  auto result_of(Tuple& arguments) {
    if constexpr (std::is_same_v<R, std::monostate>)
      (void)call_task(fn_, arguments);
    else
      return R(call_task(fn_, arguments));
  }
  F fn_;
};

// What a group of tasks calls.
template <class Function, class F>
std::vector<std::byte> encode_function(const F& fn) {
  Encoder out;
  const DecodeTaskFunction decode = &Function::decode;
  out.write_function(reinterpret_cast<const void*>(decode));
  encode_callable<std::decay_t<F>>(out, fn);
  return std::move(out).take_bytes();
}

// The results of one chunk, one after the other.
template <class R>
class ChunkResults {
 public:
  // Throws when the chunk has none at all.
  explicit ChunkResults(TaskOutcome outcome)
      : outcome_(std::move(outcome)), named_(outcome_.letter), in_(outcome_.result(), &named_) {
    outcome_.require_result();
    left_ = in_.read_length(0);
    failed_ = in_.read_length(0);
    exceptions_ = in_.rest();
    for (std::uint64_t i = 0; i < failed_; ++i) {
      const std::uint64_t index = in_.read_count();
      if (i == 0) next_failed_ = index;
      for (int part = 0; part < kExceptionParts; ++part) (void)in_.read_text();
    }
  }
  ChunkResults(const ChunkResults&) = delete;
  ChunkResults& operator=(const ChunkResults&) = delete;
  [[nodiscard]] std::uint64_t left() const noexcept { return left_; }
  // Throws what the call threw.
  R next() {
    --left_;
    if (failed_ > 0 && at_++ == next_failed_) throw_next();
    if constexpr (std::is_same_v<R, std::monostate>)
      return {};
    else if constexpr (kHasLength<R>)
      return decode_next();
    else
      return Transfer<R>::decode(in_);
  }
  // All that are left, behind those in `all`. Throws the first exception.
  void append_to(std::vector<R>& all) {
    if constexpr (kRawResult<R>) {
      if (failed_ == 0) {
        const std::span<const std::byte> bytes = in_.read(left_ * sizeof(R));
        const std::size_t before = all.size();
        all.resize(before + left_);
        if (!bytes.empty()) std::memcpy(all.data() + before, bytes.data(), bytes.size());
        left_ = 0;
        return;
      }
    }
    while (left_ > 0) all.push_back(next());
  }

 private:
  R decode_next() {
    Decoder in(in_.read(in_.read_count()), &named_);
    return Transfer<R>::decode(in);
  }
  [[noreturn]] void throw_next() {
    Decoder all(exceptions_);
    (void)all.read_count();
    Decoder exception(all.rest());
    for (int part = 0; part < kExceptionParts; ++part) (void)all.read_text();
    exceptions_ = all.rest();
    if (--failed_ > 0) next_failed_ = Decoder(exceptions_).read_count();
    throw_exception(exception);
  }

  TaskOutcome outcome_;
  IncomingReferences named_;
  Decoder in_;
  std::span<const std::byte> exceptions_;
  std::uint64_t left_ = 0;
  std::uint64_t at_ = 0;
  std::uint64_t failed_ = 0;
  std::uint64_t next_failed_ = 0;
};

}  // namespace polyproc::inline v0::detail
