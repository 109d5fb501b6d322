// SPDX-License-Identifier: MIT
// The parts of Writer that are called less often, or take long by themselves.
#include <polyproc/codec/writer.hpp>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <new>

#include <polyproc/os/error.hpp>

#include "codec/object_writer.hpp"
#include "codec/text.hpp"

namespace polyproc::inline v0 {

HandleTable::~HandleTable() = default;

Writer::Writer(WriteOptions options) : options_(options) {
  if (options.protocol != 4 && options.protocol != 5)
    throw InvalidArgument(
        fmt::format("encode: pickle protocol {} is not written; take 4 or 5", options.protocol));
}

void Writer::grow(std::size_t count) {
  const auto used = static_cast<std::size_t>(next_ - begin_);
  const std::size_t size = std::max(2 * (used + 256), used + count);
  auto* const bigger = static_cast<std::byte*>(std::realloc(begin_ == small_ ? nullptr : begin_, size));
  if (bigger == nullptr) throw std::bad_alloc();
  if (begin_ == small_) std::memcpy(bigger, small_, used);
  begin_ = bigger;
  next_ = bigger + used;
  end_ = bigger + size;
}

void Writer::free_buffer() noexcept { std::free(begin_); }

void Writer::write_long(std::int64_t value) {
  room(10);
  const int bits = 65 - std::countl_zero(static_cast<std::uint64_t>(value < 0 ? ~value : value));
  const auto bytes = static_cast<std::uint8_t>((bits + 7) / 8);
  put(Opcode::long1), put(bytes);
  std::memcpy(next_, &value, bytes);
  next_ += bytes;
}

void Writer::write_integer(const Integer& value) {
  if (const auto small = value.to_int64()) return write_int(*small);
  const auto bytes = value.to_bytes();
  if (bytes.size() > std::numeric_limits<std::int32_t>::max())
    throw InvalidArgument(
        "encode: an integer of more than 2 GiB; the pickle format has no place for its length");
  room(5);
  if (bytes.size() < 256)
    put(Opcode::long1), put(static_cast<std::uint8_t>(bytes.size()));
  else
    put(Opcode::long4), put(static_cast<std::uint32_t>(bytes.size()));
  raw(bytes.data(), bytes.size());
}

void Writer::write_floats(std::span<const double> values) {
  room(values.size() * 9);
  for (const double value : values)
    put(Opcode::bin_float), put(__builtin_bswap64(std::bit_cast<std::uint64_t>(value)));
}

void Writer::write_global(std::string_view name) {
  op(Opcode::global);
  raw("builtins\n", 9);
  raw(name.data(), name.size());
  byte('\n');
}

void Writer::write_complex(std::complex<double> value) {
  write_global("complex");
  write_float(value.real());
  write_float(value.imag());
  op(Opcode::tuple2);
  op(Opcode::reduce);
}

void Writer::write_string(std::string_view text) {
  if (detail::is_ascii(text) || detail::needs_no_escape(text))
    write_utf8(text);
  else
    write_utf8(detail::escape(text));
}

void Writer::write_utf8(std::string_view text) {
  room(text.size() + 9);
  if (text.size() < 0x100)
    put(Opcode::short_bin_unicode), put(static_cast<std::uint8_t>(text.size()));
  else if (text.size() <= std::numeric_limits<std::uint32_t>::max())
    put(Opcode::bin_unicode), put(static_cast<std::uint32_t>(text.size()));
  else
    put(Opcode::bin_unicode8), put(std::uint64_t{text.size()});
  raw(text.data(), text.size());
}

void Writer::write_bytes(std::span<const std::byte> value) {
  room(value.size() + 9);
  if (value.size() < 0x100)
    put(Opcode::short_bin_bytes), put(static_cast<std::uint8_t>(value.size()));
  else if (value.size() <= std::numeric_limits<std::uint32_t>::max())
    put(Opcode::bin_bytes), put(static_cast<std::uint32_t>(value.size()));
  else
    put(Opcode::bin_bytes8), put(std::uint64_t{value.size()});
  raw(value.data(), value.size());
}

void Writer::write_bytearray(std::span<const std::byte> value) {
  if (options_.protocol >= 5) {
    room(9);
    put(Opcode::bytearray8), put(std::uint64_t{value.size()});
    return raw(value.data(), value.size());
  }
  write_global("bytearray");
  write_bytes(value);
  op(Opcode::tuple1);
  op(Opcode::reduce);
}

// "LONG1 length POP": Python forgets it at once, and a Reader knows where the value ends.
void Writer::write_object(const Object& value) {
  if (!detail::ObjectWriter::is_compound(value)) return detail::ObjectWriter(*this).write(value);
  room(11);
  put(Opcode::long1), put(std::uint8_t{8});
  const std::ptrdiff_t length_at = next_ - begin_;
  put(std::uint64_t{0}), put(Opcode::pop);
  const std::ptrdiff_t value_at = next_ - begin_;
  detail::ObjectWriter(*this).write(value);
  const auto length = static_cast<std::uint64_t>(next_ - begin_ - value_at);
  std::memcpy(begin_ + length_at, &length, sizeof length);
}

void Writer::write_whole_object(const Object& value) { detail::ObjectWriter(*this).write(value); }

HandleTable& Writer::handles() const {
  if (options_.handles == nullptr)
    throw UsageError(
        "encode: the value holds a handle to a shared object, which travels only through polyproc's "
        "channels");
  return *options_.handles;
}

// ("block", number) as a persistent id: Python leaves its meaning to the application.
void Writer::write_handle(std::string_view kind, std::uint64_t number) {
  op(Opcode::mark);
  write_utf8(kind);
  write_uint(number);
  op(Opcode::tuple);
  op(Opcode::bin_persid);
}

void Writer::write_block(const BlockRef& block) { write_handle("block", handles().add_block(block)); }
void Writer::write_descriptor(int descriptor) {
  write_handle("descriptor", handles().add_descriptor(descriptor));
}

}  // namespace polyproc::inline v0
