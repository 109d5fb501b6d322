// SPDX-License-Identifier: MIT
// The parts of Reader that are called less often, and its complaints.
#include <polyproc/codec/reader.hpp>

#include <algorithm>

#include <fmt/format.h>

#include "codec/loader.hpp"
#include "codec/text.hpp"

namespace polyproc::inline v0 {

namespace {

std::string_view found_name(Opcode op) {
  switch (op) {
    case Opcode::none:
      return "None";
    case Opcode::new_true:
    case Opcode::new_false:
      return "a bool";
    case Opcode::bin_int:
    case Opcode::bin_int1:
    case Opcode::bin_int2:
    case Opcode::long1:
    case Opcode::long4:
      return "an int";
    case Opcode::bin_float:
      return "a float";
    case Opcode::short_bin_unicode:
    case Opcode::bin_unicode:
    case Opcode::bin_unicode8:
      return "a str";
    case Opcode::short_bin_bytes:
    case Opcode::bin_bytes:
    case Opcode::bin_bytes8:
      return "bytes";
    case Opcode::mark:
    case Opcode::empty_list:
    case Opcode::empty_tuple:
    case Opcode::empty_dict:
    case Opcode::empty_set:
      return "a container of another type";
    case Opcode::list:
    case Opcode::tuple:
    case Opcode::dict:
    case Opcode::add_items:
    case Opcode::frozen_set:
      return "the end of its container";
    default:
      return "something else";
  }
}

}  // namespace

void Reader::fail(const std::string& what) const {
  throw DecodeError(what, static_cast<std::size_t>(value_at_ - begin_));
}
void Reader::fail_end() const { throw DecodeError("the input ends too early", offset()); }
void Reader::fail_depth() const {
  fail(fmt::format("values lie within each other more than {} deep", kDeepest));
}
void Reader::fail_length(std::uint64_t count) const {
  fail(fmt::format("{} bytes are announced and {} are left", count, end_ - at_));
}
void Reader::fail_count() const { fail("the tuple or struct has another number of elements"); }
void Reader::fail_type(std::string_view expected) const {
  fail(fmt::format("{} is expected, and there is {}", expected,
                   found_name(Opcode{std::to_integer<std::uint8_t>(*value_at_)})));
}

void Reader::begin() {
  if (next() != Opcode::proto) fail("a pickle is expected");
  if (const auto protocol = number<std::uint8_t>(); protocol != 4 && protocol != 5)
    fail(fmt::format("pickle protocol {}", protocol));
}

void Reader::end() {
  if (next() != Opcode::stop) fail("the end of the pickle is expected");
  if (at_ != end_) throw DecodeError(fmt::format("{} bytes follow the end", end_ - at_), offset());
}

inline std::span<const std::byte> Reader::take(std::uint64_t count) {
  if (count > static_cast<std::size_t>(end_ - at_)) fail_length(count);
  const std::span<const std::byte> part(at_, count);
  at_ += count;
  return part;
}

std::int64_t Reader::read_other_int(Opcode op) {
  if (op == Opcode::bin_int2) return number<std::uint16_t>();
  if (op != Opcode::long1 && op != Opcode::long4) fail_type("an int");
  at_ = value_at_;
  const auto value = read_integer().to_int64();
  if (!value) fail("the int does not fit into 64 bits");
  return *value;
}

std::uint64_t Reader::read_uint() {
  const auto value = read_integer().to_uint64();
  if (!value) fail("the int does not fit into 64 bits without sign");
  return *value;
}

Integer Reader::read_integer() {
  const Opcode op = next();
  if (op == Opcode::long1) return Integer::from_bytes(take(number<std::uint8_t>()));
  if (op == Opcode::long4) {
    const auto length = number<std::int32_t>();
    if (length < 0) fail("an integer of negative length");
    return Integer::from_bytes(take(static_cast<std::uint64_t>(length)));
  }
  if (op == Opcode::bin_int1) return number<std::uint8_t>();
  if (op == Opcode::bin_int) return number<std::int32_t>();
  return read_other_int(op);
}

double Reader::read_int_as_float() {
  at_ = value_at_;
  const Opcode op = peek();
  if (op != Opcode::bin_int && op != Opcode::bin_int1 && op != Opcode::bin_int2 && op != Opcode::long1 &&
      op != Opcode::long4)
    fail_type("a float");
  return read_integer().to_double();
}

std::complex<double> Reader::read_complex() {
  constexpr std::string_view kName = "builtins\ncomplex\n";
  if (next() != Opcode::global) fail_type("a complex");
  const auto name = take(kName.size());
  if (!std::ranges::equal(name, std::as_bytes(std::span(kName))))
    fail("a complex is expected, and there is a class");
  const double real = read_float();
  const double imaginary = read_float();
  if (next() != Opcode::tuple2 || next() != Opcode::reduce) fail_type("the end of a complex");
  return {real, imaginary};
}

inline std::string_view Reader::read_utf8() {
  const Opcode op = next();
  std::span<const std::byte> bytes;
  if (op == Opcode::short_bin_unicode)
    bytes = take(number<std::uint8_t>());
  else if (op == Opcode::bin_unicode)
    bytes = take(number<std::uint32_t>());
  else if (op == Opcode::bin_unicode8)
    bytes = take(number<std::uint64_t>());
  else
    fail_type("a str");
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string Reader::read_string() {
  const std::string_view text = read_utf8();
  if (detail::is_ascii(text) || detail::needs_no_escape(text)) return std::string(text);
  const std::size_t valid = detail::valid_prefix(text);
  if (valid != text.size()) throw DecodeError("a string is no UTF-8", offset() - text.size() + valid);
  return detail::unescape(text);
}

std::span<const std::byte> Reader::read_bytes() {
  const Opcode op = next();
  if (op == Opcode::short_bin_bytes) return take(number<std::uint8_t>());
  if (op == Opcode::bin_bytes) return take(number<std::uint32_t>());
  if (op == Opcode::bin_bytes8 || op == Opcode::bytearray8) return take(number<std::uint64_t>());
  if (op != Opcode::global) fail_type("bytes");
  constexpr std::string_view kName = "builtins\nbytearray\n";
  const auto name = take(kName.size());
  if (!std::ranges::equal(name, std::as_bytes(std::span(kName))))
    fail("bytes are expected, and there is a class");
  if (peek() == Opcode::global) fail("bytes are expected, and there is a class");
  const auto bytes = read_bytes();
  if (next() != Opcode::tuple1 || next() != Opcode::reduce) fail_type("the end of a bytearray");
  return bytes;
}

Object Reader::read_object() { return read_object(false); }
Object Reader::read_any_object() { return read_object(true); }

Object Reader::read_object(bool keeps_classes) {
  const auto classes = keeps_classes ? detail::Loader::Classes::kept : detail::Loader::Classes::refused;
  const Opcode op = peek();
  value_at_ = at_;
  const auto rest = std::span(at_, end_);
  constexpr std::size_t kHeader = 11;  // LONG1 8 length POP
  if (op == Opcode::long1 && rest.size() >= kHeader && rest[1] == std::byte{8} &&
      Opcode{std::to_integer<std::uint8_t>(rest[10])} == Opcode::pop) {
    std::uint64_t length = 0;
    std::memcpy(&length, at_ + 2, sizeof length);
    at_ += kHeader;
    const std::size_t first = offset();
    return detail::Loader(take(length), first, classes).load_bare();
  }
  std::size_t length = 0;
  Object value = detail::Loader(rest, offset(), classes).load_prefix(length);
  at_ += length;
  return value;
}

void Reader::enter_set() {
  const Opcode op = next();
  const bool marked = op == Opcode::mark || (op == Opcode::empty_set && next() == Opcode::mark);
  if (!marked) fail_type("a set");
  enter();
}

void Reader::read_empty_tuple() {
  if (const Opcode op = next(); op != Opcode::empty_tuple && op != Opcode::empty_list)
    fail_type("an empty tuple");
}

// A vector of floats is sized before it is filled: as many as lie side by side.
void Reader::read_floats(std::vector<double>& values) {
  constexpr std::ptrdiff_t kEach = 9;
  read_sequence([&] {
    const std::byte* last = at_;
    while (end_ - last >= kEach && *last == static_cast<std::byte>(Opcode::bin_float)) last += kEach;
    const auto count = static_cast<std::size_t>((last - at_) / kEach);
    if (count == 0) return values.push_back(read_float());
    const std::size_t before = values.size();
    values.resize(before + count);
    for (double* value = values.data() + before; at_ != last; ++value) {
      std::uint64_t bits = 0;
      std::memcpy(&bits, at_ + 1, sizeof bits);
      *value = std::bit_cast<double>(__builtin_bswap64(bits));
      at_ += kEach;
    }
  });
}

std::uint64_t Reader::read_handle(std::string_view kind) {
  enter_tuple();
  if (const std::string_view found = read_utf8(); found != kind)
    fail(fmt::format("a handle of kind '{}' is expected, and there is another", kind));
  const std::uint64_t number = read_uint();
  leave_tuple();
  if (next() != Opcode::bin_persid) fail_type("a handle");
  if (handles_ == nullptr)
    fail("a handle to a shared object, which travels only through polyproc's channels");
  return number;
}

BlockRef Reader::read_block() {
  const std::uint64_t number = read_handle("block");
  return handles_->block(number);
}
os::Fd Reader::read_descriptor() {
  const std::uint64_t number = read_handle("descriptor");
  return handles_->descriptor(number);
}

}  // namespace polyproc::inline v0
