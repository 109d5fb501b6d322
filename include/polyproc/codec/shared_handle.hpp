// SPDX-License-Identifier: MIT
// SharedHandle: what handles to shared objects (Value, Array, Lock, Queue ...) have in common, and how they stand in
// values that are encoded: by a number in the table of the channel that carries the value.
#pragma once

#include <concepts>
#include <utility>

#include <polyproc/arena/block_ref.hpp>
#include <polyproc/codec/value_codec.hpp>

namespace polyproc::inline v0 {

template <class H>
concept SharedHandle = requires(const H& handle, BlockRef block) {
  { handle.block() } -> std::convertible_to<const BlockRef&>;
  { H::from_block(std::move(block)) } -> std::same_as<H>;
};

// Reading throws TypeMismatch when the object is of another type, UsageError when it is gone.
template <SharedHandle H>
struct Codec<H> {
  static void write(Writer& out, const H& handle) { out.write_block(handle.block()); }
  static H read(Reader& in) { return H::from_block(in.read_block()); }
};

}  // namespace polyproc::inline v0
