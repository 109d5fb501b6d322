// SPDX-License-Identifier: MIT
// Reader: reads what Writer has written, straight into C++ values. Pickles of other writers reach it in Writer's layout,
// by way of decode (codec.hpp).
//
// Each call throws DecodeError when the next value is of another type, and when the bytes end. After an exception a
// Reader is of no more use. Thread safety: one thread at a time.
#pragma once

#include <bit>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <polyproc/codec/decode_error.hpp>
#include <polyproc/codec/handle_table.hpp>
#include <polyproc/codec/integer.hpp>
#include <polyproc/codec/object.hpp>
#include <polyproc/codec/opcode.hpp>
#include <polyproc/os/config.hpp>

namespace polyproc::inline v0 {

class POLYPROC_API Reader {
 public:
  // How deep lists, tuples, dicts, sets and structs may lie within each other in C++ types that contain themselves.
  static constexpr std::uint32_t kDeepest = 1000;

  explicit Reader(std::span<const std::byte> input, HandleTable* handles = nullptr) noexcept
      : begin_(input.data()), at_(input.data()), end_(input.data() + input.size()), handles_(handles) {}

  // Around the one value of a pickle.
  void begin();
  void end();

  [[nodiscard]] bool try_none() {
    if (peek() != Opcode::none) return false;
    ++at_;
    return true;
  }
  [[nodiscard]] bool read_bool() {
    const Opcode op = next();
    if (op == Opcode::new_true) return true;
    if (op != Opcode::new_false) fail_type("a bool");
    return false;
  }
  [[nodiscard]] std::int64_t read_int() {
    const Opcode op = next();
    if (op == Opcode::bin_int1) return number<std::uint8_t>();
    if (op == Opcode::bin_int) return number<std::int32_t>();
    return read_other_int(op);
  }
  [[nodiscard]] std::uint64_t read_uint();
  [[nodiscard]] Integer read_integer();
  // An int is taken for a float.
  [[nodiscard]] double read_float() {
    if (next() != Opcode::bin_float) return read_int_as_float();
    return std::bit_cast<double>(__builtin_bswap64(number<std::uint64_t>()));
  }
  [[nodiscard]] std::complex<double> read_complex();
  // The bytes that the string was written from.
  [[nodiscard]] std::string read_string();
  // Valid as long as the input.
  [[nodiscard]] std::span<const std::byte> read_bytes();
  [[nodiscard]] Object read_object();
  // The same of any value: what decode_any keeps.
  [[nodiscard]] Object read_any_object();
  [[nodiscard]] BlockRef read_block();
  [[nodiscard]] os::Fd read_descriptor();

  // Calls `element` for each, which must read it. A list or tuple:
  template <class Element>
  void read_sequence(Element element) {
    if (!enter_sequence()) return;
    while (!at_sequence_end()) element();
    leave();
  }
  void read_floats(std::vector<double>& values);
  template <class Element>
  void read_set(Element element) {
    enter_set();
    begin_key();
    while (!at_set_end()) element();
    end_key();
    leave();
  }
  // `entry` reads a key, between begin_key and end_key, and a value.
  template <class Entry>
  void read_dict(Entry entry) {
    if (!enter_dict()) return;
    while (!at_dict_end()) {
      begin_entry();
      entry();
      end_entry();
    }
    leave();
  }
  // A tuple or list whose length is known.
  void enter_tuple() {
    if (next() != Opcode::mark) fail_type("a tuple");
    enter();
  }
  void leave_tuple() {
    if (const Opcode op = next(); op != Opcode::tuple && op != Opcode::list) fail_count();
    leave();
  }
  void read_empty_tuple();

  void begin_key() noexcept { ++keys_; }
  void end_key() noexcept { --keys_; }

  // The offset of what is read next.
  [[nodiscard]] std::size_t offset() const noexcept { return static_cast<std::size_t>(at_ - begin_); }
  // Throws DecodeError at the value that was read last, or is being read.
  [[noreturn]] void fail(const std::string& what) const;

 private:
  [[nodiscard]] Object read_object(bool keeps_classes);
  [[nodiscard]] Opcode peek() const {
    if (at_ == end_) fail_end();
    return Opcode{std::to_integer<std::uint8_t>(*at_)};
  }
  Opcode next() {
    value_at_ = at_;
    const Opcode op = peek();
    ++at_;
    return op;
  }
  template <class T>
  T number() {
    T value;
    if (static_cast<std::size_t>(end_ - at_) < sizeof value) fail_end();
    std::memcpy(&value, at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  void enter() {
    if (++depth_ > kDeepest) fail_depth();
  }
  void leave() noexcept { --depth_; }
  bool enter_sequence() {
    const Opcode op = next();
    if (op == Opcode::empty_list || op == Opcode::empty_tuple) return false;
    if (op != Opcode::mark) fail_type("a list or tuple");
    enter();
    return true;
  }
  bool at_sequence_end() {
    const Opcode op = peek();
    if (op != Opcode::list && op != Opcode::tuple) return false;
    ++at_;
    return true;
  }
  void enter_set();
  bool at_set_end() {
    const Opcode op = peek();
    if (op != Opcode::add_items && op != Opcode::frozen_set) return false;
    ++at_;
    return true;
  }
  bool enter_dict() {
    const Opcode op = next();
    if (op == Opcode::empty_dict || op == Opcode::empty_tuple) return false;
    if (op != Opcode::mark) fail_type("a dict");
    enter();
    return true;
  }
  bool at_dict_end() {
    if (peek() != (keys_ == 0 ? Opcode::dict : Opcode::tuple)) return false;
    ++at_;
    return true;
  }
  void begin_entry() {
    if (keys_ != 0) enter_tuple();
  }
  void end_entry() {
    if (keys_ != 0) leave_tuple();
  }
  std::int64_t read_other_int(Opcode op);
  double read_int_as_float();
  std::string_view read_utf8();
  std::span<const std::byte> take(std::uint64_t count);
  std::uint64_t read_handle(std::string_view kind);
  [[noreturn]] void fail_end() const;
  [[noreturn]] void fail_depth() const;
  [[noreturn]] void fail_length(std::uint64_t count) const;
  [[noreturn]] void fail_count() const;
  [[noreturn]] void fail_type(std::string_view expected) const;

  const std::byte* begin_;
  const std::byte* at_;
  const std::byte* end_;
  const std::byte* value_at_ = begin_;
  HandleTable* handles_;
  std::uint32_t keys_ = 0;
  std::uint32_t depth_ = 0;
};

}  // namespace polyproc::inline v0
