// SPDX-License-Identifier: MIT
// Array: a contiguous range of a trivially copyable type in shared memory, of fixed size, with a lock of its own.
#pragma once

#include <algorithm>
#include <atomic>
#include <initializer_list>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <polyproc/os/error.hpp>
#include <polyproc/shared/value.hpp>

namespace polyproc::inline v0 {

// A handle: copies name the same elements. A contiguous, sized range. Elements are plain memory: reading and writing
// the same one from two sides at once needs the lock, or atomic(i).
template <Shareable T>
class Array {
 public:
  using value_type = T;
  using size_type = std::size_t;
  using iterator = T*;
  using const_iterator = const T*;

  // `count` zeroed elements.
  explicit Array(std::size_t count) : Array(Arena::family(), count) {}
  Array(const Arena& arena, std::size_t count)
      : Array(detail::make_elements(arena, BlockKind::array, element_type<T>(), count, true)) {}
  // A copy of a range's elements.
  template <std::ranges::input_range R>
  requires std::convertible_to<std::ranges::range_reference_t<R>, T> &&
      (!std::same_as<std::remove_cvref_t<R>, Array>)explicit Array(R&& range)
      : Array(Arena::family(), std::forward<R>(range)) {}
  template <std::ranges::input_range R>
  requires std::convertible_to<std::ranges::range_reference_t<R>, T> Array(const Arena& arena, R&& range)
      : Array(copy_of(arena, std::forward<R>(range))) {}
  Array(std::initializer_list<T> elements) : Array(Arena::family(), std::span<const T>(elements)) {}
  // The Array called `name`, made with `count` zeroed elements if absent. Throws TypeMismatch.
  Array(const Arena& arena, const std::string& name, std::size_t count)
      : Array(arena.find_or_publish(name, [&] { return Array(arena, count).block(); })) {}
  [[nodiscard]] static Array from_block(BlockRef block) { return Array(std::move(block)); }
  Array(const Array&) = default;
  Array(Array&& other) noexcept
      : lock_(std::move(other.lock_)),
        elements_(std::exchange(other.elements_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  Array& operator=(Array other) noexcept {
    std::swap(lock_, other.lock_);
    std::swap(elements_, other.elements_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Array() = default;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] T* data() const {
    block().require("using an Array");
    return elements_;
  }
  [[nodiscard]] T* begin() const { return data(); }
  [[nodiscard]] T* end() const { return data() + size_; }
  // Not checked, as in std::vector; at() throws std::out_of_range.
  [[nodiscard]] T& operator[](std::size_t index) const { return elements_[index]; }
  [[nodiscard]] T& at(std::size_t index) const {
    if (index >= size_)
      throw std::out_of_range(fmt::format("Array of {} elements: there is no element {}", size_, index));
    return data()[index];
  }
  [[nodiscard]] T& front() const { return at(0); }
  [[nodiscard]] T& back() const { return at(size_ - 1); }
  [[nodiscard]] std::atomic_ref<T> atomic(std::size_t index) const requires detail::kAtomic<T> {
    return std::atomic_ref<T>(at(index));
  }

  // An Array also converts to a span by itself, as every contiguous range does.
  [[nodiscard]] std::span<T> span() const { return {data(), size_}; }
  // Elements [first, last), cut to what there is; Python's a[first:last].
  [[nodiscard]] std::span<T> slice(std::size_t first, std::size_t last) const {
    last = std::min(last, size_);
    return span().subspan(std::min(first, last), last - std::min(first, last));
  }
  [[nodiscard]] std::vector<T> to_vector() const { return {begin(), end()}; }
  // Overwrites all elements; throws InvalidArgument unless the range has as many.
  template <std::ranges::forward_range R>
  void assign(R&& range) const {
    const auto count = static_cast<std::size_t>(std::ranges::distance(range));
    if (count != size_) {
      throw InvalidArgument(fmt::format(
          "assigning to an Array of {} elements: the range has {}; sizes must agree", size_, count));
    }
    std::ranges::copy(range, begin());
  }
  void fill(const T& value) const { std::fill(begin(), end(), value); }

  [[nodiscard]] RLock& get_lock() noexcept { return lock_; }
  void close() noexcept {
    lock_.close();
    elements_ = nullptr;
    size_ = 0;
  }
  [[nodiscard]] const BlockRef& block() const noexcept { return lock_.block(); }
  [[nodiscard]] Handle handle() const { return lock_.handle(); }

  friend std::ostream& operator<<(std::ostream& out, const Array& array) requires requires {
    out << std::declval<T>();
  }
  {
    out << '[';
    for (std::size_t i = 0; i < array.size(); ++i) out << (i == 0 ? "" : ", ") << array[i];
    return out << ']';
  }

 private:
  explicit Array(BlockRef block)
      : lock_(RLock::from_block(
            detail::checked_elements(std::move(block), BlockKind::array, element_type<T>()))),
        elements_(reinterpret_cast<T*>(detail::elements_of(lock_.block(), element_type<T>()))),
        size_(detail::element_count(lock_.block(), element_type<T>())) {}

  template <class R>
  [[nodiscard]] static Array copy_of(const Arena& arena, R&& range) {
    if constexpr (std::ranges::forward_range<R>) {
      const auto count = static_cast<std::size_t>(std::ranges::distance(range));
      Array made(detail::make_elements(arena, BlockKind::array, element_type<T>(), count, false));
      std::ranges::copy(range, made.elements_);
      return made;
    } else {
      std::vector<T> elements;
      for (auto&& element : range) elements.push_back(element);
      return copy_of(arena, elements);
    }
  }

  RLock lock_;  // holds the block
  T* elements_;
  std::size_t size_;
};

template <std::ranges::input_range R>
Array(R&&) -> Array<std::ranges::range_value_t<R>>;

}  // namespace polyproc::inline v0
