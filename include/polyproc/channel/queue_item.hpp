// SPDX-License-Identifier: MIT
// How items of a queue become bytes: types whose bytes mean the same everywhere as they are, strings and vectors of such
// by their elements, all others as pickles, which may name shared objects.
#pragma once

#include <concepts>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <fmt/format.h>

#include <polyproc/channel/byte_queue.hpp>
#include <polyproc/channel/references.hpp>
#include <polyproc/codec/codec.hpp>
#include <polyproc/os/error.hpp>

namespace polyproc::inline v0 {

// Customisation point. `Argument` is what put takes; `bytes` gives its bytes; `Receiver` is a QueueSink that builds a
// T from them: `Receiver r; queue.get(r, ...); T item = std::move(r).item();`
template <class T>
struct QueueItem;

namespace detail {

// For items of any length: a small buffer on the stack first, then the item's own memory.
template <class T>
class RangeReceiver : public QueueSink {
 public:
  RangeReceiver() noexcept
      : QueueSink{.data = small_,
                  .capacity = sizeof small_,
                  .grow = &RangeReceiver::grow_item,
                  .reserve = &RangeReceiver::reserve_item,
                  .assign = &RangeReceiver::assign_item} {}
  RangeReceiver(const RangeReceiver&) = delete;
  RangeReceiver& operator=(const RangeReceiver&) = delete;

  [[nodiscard]] T item() && {
    if (size % kElement != 0)
      throw CorruptArena(
          fmt::format("queue: an item of {} bytes is no sequence of elements of {}", size, kElement));
    if (assigned_) return std::move(item_);
    item_.resize(size / kElement);
    if (data == small_ && size != 0) std::memcpy(item_.data(), small_, size);
    return std::move(item_);
  }

 protected:
  // Until item() is called.
  [[nodiscard]] std::span<const std::byte> received() const noexcept {
    return {data == small_ && !assigned_ ? small_ : reinterpret_cast<const std::byte*>(item_.data()), size};
  }

 private:
  using Element = typename T::value_type;
  static constexpr std::size_t kElement = sizeof(Element);

  static void grow_item(QueueSink& sink, std::size_t needed) {
    auto& self = static_cast<RangeReceiver&>(sink);
    self.item_.resize((needed + kElement - 1) / kElement);
    self.data = reinterpret_cast<std::byte*>(self.item_.data());
    self.capacity = self.item_.size() * kElement;
  }
  static void reserve_item(QueueSink& sink, std::size_t needed) {
    auto& self = static_cast<RangeReceiver&>(sink);
    self.item_.reserve(needed / kElement);
    self.reserved = needed;
    if (self.data != self.small_) self.data = reinterpret_cast<std::byte*>(self.item_.data());
  }
  // Unlike resize() and a copy, this writes each byte once.
  static void assign_item(QueueSink& sink, std::span<const std::byte> bytes) noexcept {
    auto& self = static_cast<RangeReceiver&>(sink);
    const auto* elements = reinterpret_cast<const Element*>(bytes.data());
    self.item_.assign(elements, elements + bytes.size() / kElement);
    self.assigned_ = true;
  }

  T item_;
  bool assigned_ = false;
  alignas(8) std::byte small_[2048];
};

template <class T>
class ValueReceiver : public QueueSink {
 public:
  ValueReceiver() noexcept
      : QueueSink{.data = place_,
                  .capacity = sizeof(T),
                  .grow = &ValueReceiver::refuse,
                  .reserve = &ValueReceiver::refuse,
                  .assign = &ValueReceiver::assign_item,
                  .reserved = sizeof(T)} {}
  ValueReceiver(const ValueReceiver&) = delete;
  ValueReceiver& operator=(const ValueReceiver&) = delete;

  [[nodiscard]] T item() && {
    if (size != sizeof(T)) refuse(*this, size);
    return *std::launder(reinterpret_cast<T*>(place_));  // T is an implicit-lifetime type
  }

 private:
  [[noreturn]] static void refuse(QueueSink& /*sink*/, std::size_t needed) {
    throw CorruptArena(fmt::format("queue: an item of {} bytes where each has {}", needed, sizeof(T)));
  }
  static void assign_item(QueueSink& sink, std::span<const std::byte> bytes) noexcept {
    std::memcpy(static_cast<ValueReceiver&>(sink).place_, bytes.data(), bytes.size());
  }
  alignas(T) std::byte place_[sizeof(T)];
};

template <class T>
class PickleReceiver : public RangeReceiver<std::vector<std::byte>> {
 public:
  PickleReceiver() noexcept { letter = &letter_; }

  // Throws DecodeError. The item is not in the queue any more.
  [[nodiscard]] T item() && {
    if (!letter_) return decode<T>(received());
    IncomingReferences references(letter_);
    return decode<T>(received(), &references);
  }

 private:
  BlockRef letter_;
};

template <Shareable T>
inline constexpr FormatText kSequenceFormat = [] {
  FormatText text;
  text.add("[]");
  add_format<T>(text);
  return text;
}();

}  // namespace detail

template <RawValue T>
struct QueueItem<T> {
  using Argument = const T&;
  using Receiver = detail::ValueReceiver<T>;
  static constexpr ElementType type() noexcept { return element_type<T>(); }
  static std::span<const std::byte> bytes(const T& item) noexcept {
    return std::as_bytes(std::span(&item, 1));
  }
};

template <>
struct QueueItem<std::string> {
  using Argument = std::string_view;
  using Receiver = detail::RangeReceiver<std::string>;
  static constexpr ElementType type() noexcept { return {"s", 0, 1}; }
  static std::span<const std::byte> bytes(std::string_view item) noexcept {
    return std::as_bytes(std::span(item));
  }
};

template <RawValue T>
requires(!std::same_as<T, bool>) struct QueueItem<std::vector<T>> {
  using Argument = std::span<const T>;
  using Receiver = detail::RangeReceiver<std::vector<T>>;
  static constexpr ElementType type() noexcept { return {detail::kSequenceFormat<T>.view(), 0, alignof(T)}; }
  static std::span<const std::byte> bytes(std::span<const T> item) noexcept { return std::as_bytes(item); }
};

// Laid out by QueueItem, which programs may specialise.
template <class T>
concept RawItem = requires(typename QueueItem<T>::Argument item) {
  { QueueItem<T>::bytes(item) } -> std::convertible_to<std::span<const std::byte>>;
  { QueueItem<T>::type() } -> std::same_as<ElementType>;
};

template <class T>
concept PickledItem = !RawItem<T> && Encodable<T>;

template <class T>
concept Queueable = RawItem<T> || PickledItem<T>;

namespace detail {

// A pickle, and the shared objects and descriptors that it names.
class OutgoingItem {
 public:
  template <class T>
  OutgoingItem(const T& item, const BlockRef& queue)
      : references_(queue), writer_({.handles = &references_}) {
    encode(item, writer_);
  }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return writer_.bytes(); }
  [[nodiscard]] const OutgoingReferences& references() const noexcept { return references_; }

 private:
  OutgoingReferences references_;
  Writer writer_;
};

template <class T>
struct ItemOf : QueueItem<T> {};
template <PickledItem T>
struct ItemOf<T> {
  using Argument = const T&;
  using Receiver = PickleReceiver<T>;
  static constexpr ElementType type() noexcept { return wire_type<T>(); }
};

}  // namespace detail

}  // namespace polyproc::inline v0
