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

void rewrite_pickle(std::span<const std::byte> input, Writer& out) {
  const Object value = load_pickle(input);
  out.begin();
  ObjectWriter(out, input.size() * 256 + (std::size_t{1} << 20)).write(value);
  out.end();
}

}  // namespace polyproc::inline v0::detail
