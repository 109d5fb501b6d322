// SPDX-License-Identifier: MIT
// Whole pickles.
#include <polyproc/codec/pickle.hpp>

#include "codec/loader.hpp"
#include "codec/object_writer.hpp"

namespace polyproc::inline v0::detail {

Object load_pickle(std::span<const std::byte> input) { return Loader(input).load(); }

Object load_any_pickle(std::span<const std::byte> input) {
  return Loader(input, 0, Loader::Classes::kept).load();
}

bool is_own_layout(std::span<const std::byte> input) noexcept {
  return input.size() > 2 && input[0] == static_cast<std::byte>(Opcode::proto) && input[1] >= std::byte{4} &&
         input[2] != static_cast<std::byte>(Opcode::frame);
}

namespace {

void write_unshared(const Object& value, std::size_t input_bytes, Writer& out) {
  out.begin();
  ObjectWriter(out, input_bytes * 256 + (std::size_t{1} << 20)).write(value);
  out.end();
}

}  // namespace

void rewrite_pickle(std::span<const std::byte> input, Writer& out) {
  write_unshared(load_pickle(input), input.size(), out);
}
void rewrite_any_pickle(std::span<const std::byte> input, Writer& out) {
  write_unshared(load_any_pickle(input), input.size(), out);
}

}  // namespace polyproc::inline v0::detail
