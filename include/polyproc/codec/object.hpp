// SPDX-License-Identifier: MIT
// Object: a value of Python's, whatever its type. None, booleans, integers of any size, floats, complex numbers,
// strings, bytes, bytearrays, lists, tuples, dicts, sets and frozensets, with Python's equality, hashing and printing.
// Besides, what only Python can make anything of: names of classes and functions, and instances of them, which are kept as
// they came, never made or called, so that they can go back.
//
// As in Python an Object is a name for a value: copies name the same list, and see each other's changes. Values may be
// shared and may contain themselves; they are freed when nothing outside leads to them (docs/decisions/0006-*.md).
//
// Thread safety: Objects may be copied, destroyed and read by several threads at once. Changing a list, dict, set or
// bytearray needs that nobody else uses it or what it contains at the same time; so does dropping an Object of values
// that contain themselves.
#pragma once

#include <complex>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <iosfwd>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <polyproc/codec/integer.hpp>
#include <polyproc/os/config.hpp>

namespace polyproc::inline v0 {

enum class Kind : std::uint8_t {
  none,
  boolean,
  integer,
  floating,
  complex,
  string,
  bytes,
  bytearray,
  list,
  tuple,
  dict,
  set,
  frozenset,
  name,      // of a class or function
  instance,  // of a class
};
// "int", "str": Python's name of the type.
[[nodiscard]] POLYPROC_API std::string_view kind_name(Kind kind) noexcept;

class Object;
namespace detail {
struct Node;
struct TableEntry;
struct ObjectAccess;
}  // namespace detail

class POLYPROC_API Object {
 public:
  class Items;

  Object() noexcept = default;
  template <std::same_as<bool> B>
  Object(B value) noexcept : kind_(Kind::boolean), bits_(value ? 1 : 0) {}
  template <std::integral I>
  requires(!std::same_as<I, bool>) Object(I value) : kind_(Kind::integer) {
    if (std::in_range<std::int64_t>(value))
      bits_ = static_cast<std::uint64_t>(static_cast<std::int64_t>(value));
    else
      *this = Object(Integer(value));
  }
  Object(double value);
  Object(const Integer& value);
  Object(std::complex<double> value);
  // Any bytes; what is no UTF-8 reaches Python as surrogates, and comes back as it was (docs/wire.md).
  Object(std::string_view text);
  Object(const std::string& text) : Object(std::string_view(text)) {}
  Object(const char* text) : Object(std::string_view(text)) {}

  Object(const Object& other) noexcept : kind_(other.kind_), counted_(other.counted_), bits_(other.bits_) {
    if (counted_) retain();
  }
  Object(Object&& other) noexcept
      : kind_(std::exchange(other.kind_, Kind::none)),
        counted_(std::exchange(other.counted_, false)),
        bits_(other.bits_) {}
  Object& operator=(const Object& other) noexcept {
    Object copy(other);
    swap(copy);
    return *this;
  }
  Object& operator=(Object&& other) noexcept {
    Object moved(std::move(other));
    swap(moved);
    return *this;
  }
  ~Object() {
    if (counted_) release();
  }
  void swap(Object& other) noexcept {
    std::swap(kind_, other.kind_);
    std::swap(counted_, other.counted_);
    std::swap(bits_, other.bits_);
  }

  [[nodiscard]] static Object bytes(std::span<const std::byte> value);
  [[nodiscard]] static Object bytearray(std::span<const std::byte> value);
  [[nodiscard]] static Object list(std::vector<Object> items = {});
  [[nodiscard]] static Object tuple(std::vector<Object> items = {});
  // Keys and elements must be hashable: TypeMismatch otherwise. A later key replaces the value of an equal one.
  [[nodiscard]] static Object dict(std::vector<std::pair<Object, Object>> items = {});
  [[nodiscard]] static Object set(std::vector<Object> items = {});
  [[nodiscard]] static Object frozenset(std::vector<Object> items = {});
  // A class or function of Python's: ("builtins", "KeyError").
  [[nodiscard]] static Object name(std::string_view module, std::string_view qualified_name);
  // What a call of `callable`, a name, with a tuple of arguments makes in Python when it is read there.
  [[nodiscard]] static Object instance(const Object& callable, const Object& arguments);

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  [[nodiscard]] bool is_none() const noexcept { return kind_ == Kind::none; }
  // Whether both are the same value, not just equal ones (Python's `is`). Numbers and None are by value, but a NaN is
  // the same only as its copies.
  [[nodiscard]] bool same(const Object& other) const noexcept {
    return kind_ == other.kind_ && counted_ == other.counted_ && bits_ == other.bits_;
  }

  // Each throws TypeMismatch, naming both types, when this is of another kind.
  [[nodiscard]] bool as_bool() const;
  [[nodiscard]] std::int64_t as_int() const;  // also when it does not fit
  [[nodiscard]] Integer as_integer() const;
  [[nodiscard]] double as_double() const;
  [[nodiscard]] std::complex<double> as_complex() const;
  // The bytes that a string was made of.
  [[nodiscard]] std::string as_string() const;
  // The string in UTF-8, surrogates included, as it travels.
  [[nodiscard]] std::string_view as_utf8() const;
  [[nodiscard]] std::span<const std::byte> as_bytes() const;  // bytes, bytearray

  // Of a name: "builtins", "KeyError".
  [[nodiscard]] std::string_view module() const;
  [[nodiscard]] std::string_view qualified_name() const;
  // Of an instance: what is called to make it, with which tuple of arguments, and the state that it is given then; None for
  // none. Two are equal when all parts are.
  [[nodiscard]] const Object& callable() const;
  [[nodiscard]] const Object& arguments() const;
  [[nodiscard]] const Object& state() const;

  // Of strings the number of characters, of bytes the bytes, else of elements.
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] bool empty() const { return size() == 0; }
  // Elements of a list or tuple; valid until it is changed.
  [[nodiscard]] std::span<const Object> items() const;
  // As Python's value[key]: of a list or tuple by index from 0, of a dict by key. Throws std::out_of_range when there is
  // none.
  [[nodiscard]] const Object& at(const Object& key) const;
  // Of a dict: the value, or a null pointer.
  [[nodiscard]] const Object* find(const Object& key) const;
  // Of a dict, set or frozenset.
  [[nodiscard]] bool contains(const Object& key) const;
  // The entries of a dict, set or frozenset in the order of insertion, as pairs; a set's second is None.
  [[nodiscard]] Items entries() const;

  void append(Object value);                  // list
  void set(const Object& key, Object value);  // list, by an index that exists; dict
  void add(const Object& value);              // set
  bool erase(const Object& key);              // dict, set; whether it was there
  void erase_at(std::size_t index);           // list
  // dict, set: what was inserted last, taken out; nothing when it is empty.
  std::optional<std::pair<Object, Object>> pop_item();
  void clear();                                   // list, dict, set, bytearray
  void assign(std::span<const std::byte> value);  // bytearray

  // Python's: 1, 1.0 and True are equal, NaN is not equal to itself, a list differs from a tuple.
  friend POLYPROC_API bool operator==(const Object& a, const Object& b);
  // Equal values have equal hashes; throws TypeMismatch for a list, dict, set or bytearray.
  [[nodiscard]] std::size_t hash() const;
  // As Python's repr.
  [[nodiscard]] std::string repr() const;
  // The same in bounded time: what comes after so many bytes is "...", and a very long int is named by its size.
  [[nodiscard]] std::string repr(std::size_t longest) const;
  friend POLYPROC_API std::ostream& operator<<(std::ostream& out, const Object& value);

 private:
  friend struct detail::ObjectAccess;
  Object(Kind kind, detail::Node* node) noexcept
      : kind_(kind), counted_(true), bits_(reinterpret_cast<std::uintptr_t>(node)) {}
  void retain() const noexcept;
  void release() noexcept;

  Kind kind_ = Kind::none;
  bool counted_ = false;    // bits_ is the address of a Node that this counts
  std::uint64_t bits_ = 0;  // else a boolean, an integer of 64 bits or a double
};

// A range over a dict's or set's entries. Valid until that is changed.
class POLYPROC_API Object::Items {
 public:
  class POLYPROC_API Iterator {
   public:
    using value_type = std::pair<const Object&, const Object&>;
    using reference = value_type;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;
    Iterator() noexcept = default;
    reference operator*() const noexcept;
    Iterator& operator++() noexcept;
    Iterator operator++(int) noexcept {
      Iterator old = *this;
      ++*this;
      return old;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) noexcept { return a.at_ == b.at_; }

   private:
    friend class Items;
    Iterator(const detail::TableEntry* at, const detail::TableEntry* end) noexcept;
    void skip_erased() noexcept;
    const detail::TableEntry* at_ = nullptr;
    const detail::TableEntry* end_ = nullptr;
  };
  Items(const detail::TableEntry* begin, const detail::TableEntry* end) noexcept : begin_(begin), end_(end) {}
  [[nodiscard]] Iterator begin() const noexcept { return {begin_, end_}; }
  [[nodiscard]] Iterator end() const noexcept { return {end_, end_}; }

 private:
  const detail::TableEntry* begin_;
  const detail::TableEntry* end_;
};

}  // namespace polyproc::inline v0

template <>
struct std::hash<polyproc::Object> {
  std::size_t operator()(const polyproc::Object& value) const { return value.hash(); }
};

template <>
struct fmt::formatter<polyproc::Object> : fmt::formatter<std::string> {
  template <class Context>
  auto format(const polyproc::Object& value, Context& context) const {
    return fmt::formatter<std::string>::format(value.repr(), context);
  }
};
