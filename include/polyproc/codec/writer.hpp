// SPDX-License-Identifier: MIT
// Writer: values into Python's pickle format. What it writes is data alone, loads in CPython 3.4 and later, and is laid
// out so that the end of each value can be told from its bytes (docs/wire.md).
#pragma once

#include <bit>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include <polyproc/codec/handle_table.hpp>
#include <polyproc/codec/integer.hpp>
#include <polyproc/codec/object.hpp>
#include <polyproc/codec/opcode.hpp>
#include <polyproc/os/config.hpp>

namespace polyproc::inline v0 {

namespace detail {
class ObjectWriter;
}

struct WriteOptions {
  int protocol = 4;                // or 5, which CPython 3.8 and later read: shorter bytearrays
  HandleTable* handles = nullptr;  // where handles go; without one they are refused
};

// A writer's memory grows as needed and stays with it: clear() and write the next one.
// Thread safety: one thread at a time.
class POLYPROC_API Writer {
 public:
  // Throws InvalidArgument for a protocol other than 4 and 5.
  explicit Writer(WriteOptions options = {});
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() {
    if (begin_ != small_) free_buffer();
  }

  // What was written; valid until more is.
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {begin_, next_}; }
  void clear() noexcept { next_ = begin_; }
  [[nodiscard]] const WriteOptions& options() const noexcept { return options_; }

  // Around the one value of a pickle.
  void begin() {
    op(Opcode::proto);
    byte(static_cast<std::uint8_t>(options_.protocol));
  }
  void end() { op(Opcode::stop); }

  void write_none() { op(Opcode::none); }
  void write_bool(bool value) { op(value ? Opcode::new_true : Opcode::new_false); }
  void write_int(std::int64_t value) {
    if (value >= 0 && value < 0x100) {
      room(2);
      put(Opcode::bin_int1), put(static_cast<std::uint8_t>(value));
    } else if (value == static_cast<std::int32_t>(value)) {
      room(5);
      put(Opcode::bin_int), put(static_cast<std::int32_t>(value));
    } else {
      write_long(value);
    }
  }
  void write_uint(std::uint64_t value) {
    if (value <= INT64_MAX)
      write_int(static_cast<std::int64_t>(value));
    else
      write_integer(Integer(value));
  }
  void write_integer(const Integer& value);
  void write_float(double value) {
    room(9);
    put(Opcode::bin_float), put(__builtin_bswap64(std::bit_cast<std::uint64_t>(value)));
  }
  void write_floats(std::span<const double> values);
  void write_complex(std::complex<double> value);
  // Any bytes; those that are no UTF-8 become surrogates.
  void write_string(std::string_view text);
  // UTF-8 that is known to be valid, surrogates included.
  void write_utf8(std::string_view text);
  void write_bytes(std::span<const std::byte> value);
  void write_bytearray(std::span<const std::byte> value);
  // Bytes as they are, no pickle.
  void write_raw(std::span<const std::byte> value) { raw(value.data(), value.size()); }
  // A value of any type that stands beside others: sharing within it is kept.
  void write_object(const Object& value);
  // One that is all there is between begin() and end().
  void write_whole_object(const Object& value);
  // A shared object or descriptor, by way of the handle table. Throws UsageError without one.
  void write_block(const BlockRef& block);
  void write_descriptor(int descriptor);

  // Elements come between begin_ and end_. Within a key, sequences are tuples, sets frozensets, and a dict is a tuple of
  // pairs, so that Python can hash it.
  void begin_list(bool empty) { in_key() ? begin_tuple(empty) : open(Opcode::empty_list, empty); }
  void end_list(bool empty) { in_key() ? end_tuple(empty) : close(Opcode::list, empty); }
  void begin_tuple(bool empty) { open(Opcode::empty_tuple, empty); }
  void end_tuple(bool empty) { close(Opcode::tuple, empty); }
  void begin_set() {
    if (!in_key()) op(Opcode::empty_set);
    op(Opcode::mark);
    begin_key();
  }
  void end_set() {
    end_key();
    op(in_key() ? Opcode::frozen_set : Opcode::add_items);
  }
  void begin_dict(bool empty) { in_key() ? begin_tuple(empty) : open(Opcode::empty_dict, empty); }
  void end_dict(bool empty) { in_key() ? end_tuple(empty) : close(Opcode::dict, empty); }
  // Around each key and value of a dict.
  void begin_entry() {
    if (in_key()) op(Opcode::mark);
  }
  void end_entry() {
    if (in_key()) op(Opcode::tuple);
  }
  void begin_key() noexcept { ++keys_; }
  void end_key() noexcept { --keys_; }
  [[nodiscard]] bool in_key() const noexcept { return keys_ != 0; }

 private:
  friend class detail::ObjectWriter;

  void room(std::size_t count) {
    if (static_cast<std::size_t>(end_ - next_) < count) grow(count);
  }
  template <class T>
  void put(T value) noexcept {
    std::memcpy(next_, &value, sizeof value);
    next_ += sizeof value;
  }
  void op(Opcode code) {
    room(1);
    put(code);
  }
  void byte(std::uint8_t value) {
    room(1);
    put(value);
  }
  void raw(const void* data, std::size_t count) {
    room(count);
    if (count != 0) std::memcpy(next_, data, count);
    next_ += count;
  }
  void open(Opcode otherwise, bool empty) { op(empty ? otherwise : Opcode::mark); }
  void close(Opcode code, bool empty) {
    if (!empty) op(code);
  }
  void write_long(std::int64_t value);
  void write_global(std::string_view name);
  void write_handle(std::string_view kind, std::uint64_t number);
  [[nodiscard]] HandleTable& handles() const;
  void grow(std::size_t count);
  void free_buffer() noexcept;

  std::byte* begin_ = small_;
  std::byte* next_ = small_;
  std::byte* end_ = small_ + sizeof small_;
  WriteOptions options_;
  std::uint32_t keys_ = 0;  // how many keys the place that is written to lies within
  std::byte small_[256];
};

}  // namespace polyproc::inline v0
