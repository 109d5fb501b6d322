// SPDX-License-Identifier: MIT
// A descriptor that goes along with a stream's bytes, between processes of one machine.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include <polyproc/os/deadline.hpp>
#include <polyproc/os/fd.hpp>

#include "net/transport.hpp"

namespace polyproc::inline v0 {

// Of transports that pass descriptors.
//
// A byte, and the descriptor with it; false when there is no room for it now. Throws EndOfFile, OsError.
[[nodiscard]] bool send_with(const Transport& transport, std::byte first, const os::Fd& descriptor);
// As Transport::read; a descriptor that comes along, and for which this process has room, is put into `descriptor`.
[[nodiscard]] std::optional<std::size_t> read_with(const Transport& transport, std::span<std::byte> room,
                                                   os::Fd& descriptor, Deadline deadline);

}  // namespace polyproc::inline v0
