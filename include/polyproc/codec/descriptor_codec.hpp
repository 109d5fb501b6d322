// SPDX-License-Identifier: MIT
// Descriptors within values: they go through connections, where the receiver gets one of its own.
#pragma once

#include <polyproc/codec/value_codec.hpp>
#include <polyproc/os/fd.hpp>

namespace polyproc::inline v0 {

// The sender keeps its own, and must have it open until the value is sent.
template <>
struct Codec<os::Fd> {
  static void write(Writer& out, const os::Fd& descriptor) { out.write_descriptor(descriptor.get()); }
  static os::Fd read(Reader& in) { return in.read_descriptor(); }
};

}  // namespace polyproc::inline v0
