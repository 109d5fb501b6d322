// SPDX-License-Identifier: MIT
// Value: one variable of a trivially copyable type in shared memory, with a lock of its own.
#pragma once

#include <atomic>
#include <cstring>
#include <functional>
#include <ostream>
#include <string>
#include <utility>

#include <polyproc/shared/element_format.hpp>
#include <polyproc/sync/lock.hpp>

namespace polyproc::inline v0 {

namespace detail {

// The block of `count` elements behind a lock, aligned as they need; throws ArenaFull, InvalidArgument.
POLYPROC_API BlockRef make_elements(const Arena& arena, BlockKind kind, const ElementType& type,
                                    std::uint64_t count, bool zeroed);
POLYPROC_API BlockRef checked_elements(BlockRef block, BlockKind kind, const ElementType& type);
// The first element of such a block.
POLYPROC_API std::byte* elements_of(const BlockRef& block, const ElementType& type) noexcept;
POLYPROC_API std::uint64_t element_count(const BlockRef& block, const ElementType& type);

// Can T be read and written in one access through std::atomic_ref?
template <class T>
inline constexpr bool kAtomic = (sizeof(T) == 1 || sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8) &&
                                alignof(T) >= sizeof(T);

}  // namespace detail

// A handle: copies name the same variable. get and set are whole (never torn) for types of 1, 2, 4 and 8 bytes of
// natural alignment; what must hold over several accesses, or for larger types, needs the lock:
//
//     std::scoped_lock guard(value.get_lock());
//     value = value + 1;
template <Shareable T>
class Value {
 public:
  using value_type = T;

  explicit Value(const T& initial = T{}) : Value(Arena::family(), initial) {}
  explicit Value(const Arena& arena, const T& initial = T{})
      : Value(detail::make_elements(arena, BlockKind::value, element_type<T>(), 1, true)) {
    *element_ = initial;
  }
  // The Value called `name` in the arena, made with `initial` if absent. Throws TypeMismatch.
  Value(const Arena& arena, const std::string& name, const T& initial = T{})
      : Value(arena.find_or_publish(name, [&] { return Value(arena, initial).block(); })) {}
  [[nodiscard]] static Value from_block(BlockRef block) { return Value(std::move(block)); }

  [[nodiscard]] T get() const {
    block().require("reading a Value");
    if constexpr (detail::kAtomic<T>) {
      return std::atomic_ref<T>(*element_).load(std::memory_order_acquire);
    } else {
      return *element_;
    }
  }
  void set(const T& value) {
    block().require("writing a Value");
    if constexpr (detail::kAtomic<T>) {
      std::atomic_ref<T>(*element_).store(value, std::memory_order_release);
    } else {
      *element_ = value;
    }
  }
  operator T() const { return get(); }  // NOLINT: a Value stands for its value
  Value& operator=(const T& value) {
    set(value);
    return *this;
  }
  Value(const Value&) = default;
  Value(Value&&) noexcept = default;
  Value& operator=(const Value&) = default;
  Value& operator=(Value&&) noexcept = default;
  ~Value() = default;

  // The variable itself, for use under the lock.
  [[nodiscard]] T& ref() const {
    block().require("using a Value");
    return *element_;
  }
  // For lock-free use; atomic across processes.
  [[nodiscard]] std::atomic_ref<T> atomic() const requires detail::kAtomic<T> {
    return std::atomic_ref<T>(ref());
  }
  [[nodiscard]] RLock& get_lock() noexcept { return lock_; }

  void close() noexcept { lock_.close(); }
  [[nodiscard]] const BlockRef& block() const noexcept { return lock_.block(); }
  [[nodiscard]] Handle handle() const { return lock_.handle(); }

  friend std::ostream& operator<<(std::ostream& out, const Value& value) requires requires {
    out << std::declval<T>();
  }
  { return out << value.get(); }

 private:
  explicit Value(BlockRef block)
      : lock_(RLock::from_block(
            detail::checked_elements(std::move(block), BlockKind::value, element_type<T>()))),
        element_(reinterpret_cast<T*>(detail::elements_of(lock_.block(), element_type<T>()))) {}

  RLock lock_;  // holds the block
  T* element_;
};

}  // namespace polyproc::inline v0
