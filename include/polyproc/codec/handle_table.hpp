// SPDX-License-Identifier: MIT
// HandleTable: where a value that is being encoded leaves the shared objects and descriptors it refers to. The channel
// that carries the value supplies it; the value's bytes hold the numbers.
#pragma once

#include <cstdint>

#include <polyproc/arena/block_ref.hpp>
#include <polyproc/os/config.hpp>
#include <polyproc/os/fd.hpp>

namespace polyproc::inline v0 {

class POLYPROC_API HandleTable {
 public:
  virtual ~HandleTable();
  // The number under which the receiver finds it. May throw, saying why it cannot go through this channel.
  virtual std::uint64_t add_block(const BlockRef& block) = 0;
  virtual std::uint64_t add_descriptor(int descriptor) = 0;
  // For the receiver, with a reference or descriptor of its own. Throws DecodeError when there is none of this number.
  virtual BlockRef block(std::uint64_t number) = 0;
  virtual os::Fd descriptor(std::uint64_t number) = 0;
};

}  // namespace polyproc::inline v0
