// SPDX-License-Identifier: MIT
// The compiled entrances of the codec: whole pickles to and from Objects, and into the layout that Reader reads.
#pragma once

#include <cstddef>
#include <span>

#include <polyproc/codec/object.hpp>
#include <polyproc/codec/writer.hpp>
#include <polyproc/os/config.hpp>

namespace polyproc::inline v0::detail {

// A pickle of any protocol that is plain data. Throws DecodeError.
[[nodiscard]] POLYPROC_API Object load_pickle(std::span<const std::byte> input);
// The same of any pickle: classes and functions become names, and what is made by calling them instances.
[[nodiscard]] POLYPROC_API Object load_any_pickle(std::span<const std::byte> input);
// Whether the input begins as Writer's pickles do. CPython's begin with a frame, or an older protocol.
[[nodiscard]] POLYPROC_API bool is_own_layout(std::span<const std::byte> input) noexcept;
// The same value in the layout that Reader reads. What is shared is written in full each time: DecodeError when that
// takes more than 256 times the input's length and a MiB, or when the value contains itself.
POLYPROC_API void rewrite_pickle(std::span<const std::byte> input, Writer& out);
// The same of any pickle; names and instances are where Reader::read_any_object finds them.
POLYPROC_API void rewrite_any_pickle(std::span<const std::byte> input, Writer& out);

}  // namespace polyproc::inline v0::detail
