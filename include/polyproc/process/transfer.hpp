// SPDX-License-Identifier: MIT
// Transfer<T>: how an argument gets into a program that was started anew (spawn). What can go: types whose bytes mean
// the same there (Shareable), text, containers of what can go, functions, and handles to shared objects, which arrive
// naming the same object. Specialise it for types of your own:
//
//     template <>
//     struct polyproc::Transfer<Order> {
//       static void encode(polyproc::Encoder& out, const Order& order);
//       static Order decode(polyproc::Decoder& in);
//     };
//
// Pointers, references and views do not go, nor structs of them: what they point at is not there.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include <polyproc/arena/block_ref.hpp>
#include <polyproc/codec/codec.hpp>
#include <polyproc/codec/handle_table.hpp>
#include <polyproc/os/fd.hpp>

namespace polyproc::inline v0 {

// Collects the bytes of a call, and the shared objects and descriptors that it names.
class POLYPROC_API Encoder {
 public:
  Encoder() noexcept = default;
  // What is named goes into `named`, which must outlive this, instead of being collected here; null: it is collected.
  explicit Encoder(HandleTable* named) noexcept : named_in_(named) {}
  [[nodiscard]] HandleTable* named_in() const noexcept { return named_in_; }

  void write(std::span<const std::byte> bytes);
  void write_count(std::uint64_t count) { write(std::as_bytes(std::span(&count, 1))); }
  void write_text(std::string_view text) {
    write_count(text.size());
    write(std::as_bytes(std::span(text)));
  }
  // The receiver gets a reference of its own. Throws UsageError for an empty handle, and for a shared object in an
  // anonymous arena other than the family's, which no other program can open.
  void write_block(const BlockRef& block);
  // A function of this program or of a library that the receiver has loaded as well; throws UsageError when it lies in
  // a library without build id.
  void write_function(const void* address);
  // The receiver gets a copy of it. It stays open here until the process has started.
  void write_descriptor(int descriptor);

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::vector<std::byte> take_bytes() && noexcept { return std::move(bytes_); }
  // So many bytes more, zero, for the caller to write; good until more is added.
  [[nodiscard]] std::byte* extend(std::size_t count) {
    bytes_.resize(bytes_.size() + count);
    return bytes_.data() + bytes_.size() - count;
  }
  // Over a count that was written with `at` bytes before it.
  void write_count_at(std::size_t at, std::uint64_t count) {
    std::memcpy(bytes_.data() + at, &count, sizeof count);
  }
  // Takes back what was written last, down to `size` bytes.
  void truncate(std::size_t size) { bytes_.resize(size); }
  // Objects in the family's arena, each once; and those in named arenas.
  [[nodiscard]] const std::vector<BlockRef>& family_blocks() const noexcept { return family_; }
  [[nodiscard]] const std::vector<BlockRef>& named_blocks() const noexcept { return named_; }
  // Each once; the bytes name them by their places here.
  [[nodiscard]] const std::vector<int>& descriptors() const noexcept { return descriptors_; }

 private:
  std::vector<std::byte> bytes_;
  std::vector<int> descriptors_;
  std::vector<BlockRef> family_;
  std::vector<BlockRef> named_;
  HandleTable* named_in_ = nullptr;
};

// Reads them in the same order. Throws CorruptArena when there is less than expected.
class POLYPROC_API Decoder {
 public:
  explicit Decoder(std::span<const std::byte> bytes, HandleTable* named_in = nullptr) noexcept
      : named_in_(named_in), rest_(bytes) {}
  // Those that the encoder collected, as they are open here.
  void set_descriptors(std::vector<os::Fd> descriptors) noexcept { descriptors_ = std::move(descriptors); }
  [[nodiscard]] std::span<const std::byte> read(std::uint64_t count);
  // What has not been read.
  [[nodiscard]] std::span<const std::byte> rest() const noexcept { return rest_; }
  [[nodiscard]] std::uint64_t read_count();
  // A number of things that follow, at least `bytes_each` long.
  [[nodiscard]] std::uint64_t read_length(std::uint64_t bytes_each);
  [[nodiscard]] std::string_view read_text();
  [[nodiscard]] BlockRef read_block();
  // Throws UsageError when the function's library is not loaded here.
  [[nodiscard]] void* read_function();
  [[nodiscard]] os::Fd read_descriptor();

 private:
  HandleTable* named_in_;
  std::vector<os::Fd> descriptors_;
  std::span<const std::byte> rest_;
};

template <class T>
struct Transfer;

namespace detail {

template <class T>
concept FunctionPointer = std::is_pointer_v<T> && std::is_function_v<std::remove_pointer_t<T>>;

// libstdc++'s own containers of pointers may be trivially copyable: these go by the rules of their elements alone.
template <class T>
inline constexpr bool kByElements = false;
template <class... T>
inline constexpr bool kByElements<std::tuple<T...>> = true;
template <class A, class B>
inline constexpr bool kByElements<std::pair<A, B>> = true;
template <class T>
inline constexpr bool kByElements<std::optional<T>> = true;
// Of a type with a Transfer of its own.
template <class T, std::size_t N>
inline constexpr bool kByElements<std::array<T, N>> = !requires {
  typename Transfer<T>::Raw;
};

template <class T>
concept RawTransferable = Shareable<T> && !SharedHandle<T> && !kByElements<T>;

}  // namespace detail

template <class T>
concept Transferable = requires(Encoder& out, Decoder& in, const T& value) {
  Transfer<T>::encode(out, value);
  { Transfer<T>::decode(in) } -> std::convertible_to<T>;
};

template <class T>
requires detail::RawTransferable<T>
struct Transfer<T> {
  using Raw = T;
  static void encode(Encoder& out, const T& value) { out.write(std::as_bytes(std::span(&value, 1))); }
  static T decode(Decoder& in) {
    std::array<std::byte, sizeof(T)> bytes;
    std::memcpy(bytes.data(), in.read(sizeof(T)).data(), sizeof(T));
    return std::bit_cast<T>(bytes);
  }
};

namespace detail {

// Many of them can go together, as their bytes: not those of a type that has a Transfer of its own.
template <class T>
concept SentRaw = RawTransferable<T> && requires {
  typename Transfer<T>::Raw;
};

}  // namespace detail

template <SharedHandle H>
struct Transfer<H> {
  static void encode(Encoder& out, const H& handle) { out.write_block(handle.block()); }
  static H decode(Decoder& in) { return H::from_block(in.read_block()); }
};

template <detail::FunctionPointer F>
struct Transfer<F> {
  static void encode(Encoder& out, F function) {
    out.write_function(reinterpret_cast<const void*>(function));
  }
  static F decode(Decoder& in) { return reinterpret_cast<F>(in.read_function()); }
};

// A pointer to a member function, as the Itanium C++ ABI lays it out: an address or, for a virtual one, its place in
// the table; and what is added to `this`. Which of the two it is is told by the lowest bit of the first word on
// x86-64, of the second on AArch64.
template <class F>
requires std::is_member_function_pointer_v<F>
struct Transfer<F> {
  static void encode(Encoder& out, F function) {
    const auto words = std::bit_cast<Words>(function);
    out.write(std::as_bytes(std::span(words)));
    if (!is_virtual(words)) out.write_function(reinterpret_cast<const void*>(words[0]));
  }
  static F decode(Decoder& in) {
    Words words;
    std::memcpy(words.data(), in.read(sizeof words).data(), sizeof words);
    if (!is_virtual(words)) words[0] = reinterpret_cast<std::uintptr_t>(in.read_function());
    return std::bit_cast<F>(words);
  }

 private:
  using Words = std::array<std::uintptr_t, 2>;
  static bool is_virtual(const Words& words) noexcept {
#if defined(__aarch64__)
    return (words[1] & 1) != 0;
#else
    return (words[0] & 1) != 0;
#endif
  }
};

template <>
struct Transfer<std::string> {
  static void encode(Encoder& out, const std::string& text) { out.write_text(text); }
  static std::string decode(Decoder& in) { return std::string(in.read_text()); }
};

template <Transferable T>
struct Transfer<std::vector<T>> {
  static void encode(Encoder& out, const std::vector<T>& all) {
    out.write_count(all.size());
    if constexpr (detail::SentRaw<T> && !std::is_same_v<T, bool>)
      out.write(std::as_bytes(std::span(all)));
    else
      for (const T& one : all) Transfer<T>::encode(out, one);
  }
  static std::vector<T> decode(Decoder& in) {
    std::vector<T> all;
    const std::uint64_t count = in.read_length(detail::SentRaw<T> ? sizeof(T) : 1);
    all.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) all.push_back(Transfer<T>::decode(in));
    return all;
  }
};

template <Transferable T, std::size_t N>
requires(!detail::RawTransferable<std::array<T, N>>) struct Transfer<std::array<T, N>> {
  static void encode(Encoder& out, const std::array<T, N>& all) {
    for (const T& one : all) Transfer<T>::encode(out, one);
  }
  static std::array<T, N> decode(Decoder& in) { return decode(in, std::make_index_sequence<N>()); }

 private:
  template <std::size_t... I>
  static std::array<T, N> decode(Decoder& in, std::index_sequence<I...>) {
    return {((void)I, Transfer<T>::decode(in))...};
  }
};

template <Transferable... T>
struct Transfer<std::tuple<T...>> {
  static void encode(Encoder& out, const std::tuple<T...>& all) {
    std::apply([&](const T&... one) { (Transfer<T>::encode(out, one), ...); }, all);
  }
  static std::tuple<T...> decode(Decoder& in) { return std::tuple<T...>{Transfer<T>::decode(in)...}; }
};

template <Transferable A, Transferable B>
struct Transfer<std::pair<A, B>> {
  static void encode(Encoder& out, const std::pair<A, B>& both) {
    Transfer<A>::encode(out, both.first);
    Transfer<B>::encode(out, both.second);
  }
  static std::pair<A, B> decode(Decoder& in) {
    return std::pair<A, B>{Transfer<A>::decode(in), Transfer<B>::decode(in)};
  }
};

template <Transferable T>
struct Transfer<std::optional<T>> {
  static void encode(Encoder& out, const std::optional<T>& value) {
    out.write_count(value ? 1 : 0);
    if (value) Transfer<T>::encode(out, *value);
  }
  static std::optional<T> decode(Decoder& in) {
    return in.read_count() != 0 ? std::optional<T>(Transfer<T>::decode(in)) : std::nullopt;
  }
};

namespace detail {

template <class Map>
struct MapTransfer {
  using Key = typename Map::key_type;
  using Mapped = typename Map::mapped_type;
  static void encode(Encoder& out, const Map& all) {
    out.write_count(all.size());
    for (const auto& [key, mapped] : all) {
      Transfer<Key>::encode(out, key);
      Transfer<Mapped>::encode(out, mapped);
    }
  }
  static Map decode(Decoder& in) {
    Map all;
    for (std::uint64_t left = in.read_length(1); left > 0; --left) {
      Key key = Transfer<Key>::decode(in);
      all.emplace(std::move(key), Transfer<Mapped>::decode(in));
    }
    return all;
  }
};

}  // namespace detail

template <Transferable K, Transferable V>
struct Transfer<std::map<K, V>> : detail::MapTransfer<std::map<K, V>> {};
template <Transferable K, Transferable V>
struct Transfer<std::unordered_map<K, V>> : detail::MapTransfer<std::unordered_map<K, V>> {};

}  // namespace polyproc::inline v0
