// SPDX-License-Identifier: MIT
// What of a long message does not fit into its packet: memory of its own, which travels as a descriptor in the packet. The
// kernel frees it when nobody has it any more, however the processes end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <polyproc/os/fd.hpp>

#include "arena/lock_fd.hpp"

namespace polyproc::inline v0 {

// Children that other threads fork meanwhile do not keep it. Throws OsError.
[[nodiscard]] LockFd store_tail(std::span<const std::byte> bytes);

// Throws DecodeError when it holds another number of bytes.
void check_tail(const os::Fd& tail, std::uint64_t size);
// Reads it, and gives its memory back, whoever else may have it open.
void take_tail(const os::Fd& tail, std::span<std::byte> bytes);

}  // namespace polyproc::inline v0
