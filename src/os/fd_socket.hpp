// SPDX-License-Identifier: MIT
// Messages with descriptors, between two ends of a sequenced-packet socket.
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include <polyproc/os/fd.hpp>

namespace polyproc::inline v0::os {

[[nodiscard]] std::pair<Fd, Fd> make_fd_sockets();

// False when the other end is gone. Throws OsError. The receiver gets copies of at most kMostFds descriptors.
inline constexpr std::size_t kMostFds = 16;
[[nodiscard]] bool send_message(int socket, std::span<const std::byte> bytes, std::span<const int> fds);

// A message of exactly that size; false when the other end is gone. Throws OsError.
[[nodiscard]] bool receive_message(int socket, std::span<std::byte> bytes, std::vector<Fd>& fds);

}  // namespace polyproc::inline v0::os
