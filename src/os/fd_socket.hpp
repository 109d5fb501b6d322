// SPDX-License-Identifier: MIT
// Packets with descriptors, between two ends of a sequenced-packet socket: each arrives whole and once, also when several
// processes send and receive on the same end.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include <polyproc/os/config.hpp>
#include <polyproc/os/deadline.hpp>
#include <polyproc/os/fd.hpp>

namespace polyproc::inline v0::os {

[[nodiscard]] std::pair<Fd, Fd> make_fd_sockets();

// That the kernel passes with one packet.
inline constexpr std::size_t kMostFds = 253;

// gone: all descriptors of the other end are closed, and, for receiving, all that it sent has been received.
enum class PacketStatus { done, timed_out, gone };

// The receiver gets copies of the descriptors. Throws OsError, InvalidArgument for more than kMostFds.
[[nodiscard]] POLYPROC_API PacketStatus send_packet(int socket, std::span<const iovec> parts,
                                                    std::span<const int> fds, Deadline deadline);

struct ReceivedPacket {
  std::size_t size = 0;   // of what fitted into the parts
  bool cut = false;       // it was longer
  bool fds_lost = false;  // this process has no room for its descriptors
};
[[nodiscard]] POLYPROC_API PacketStatus receive_packet(int socket, std::span<const iovec> parts,
                                                       ReceivedPacket& packet, std::vector<Fd>& fds,
                                                       Deadline deadline);

// False when the other end is gone.
[[nodiscard]] bool send_message(int socket, std::span<const std::byte> bytes, std::span<const int> fds);
// A packet of exactly that size; false when the other end is gone. Throws OsError, Error for another size.
[[nodiscard]] bool receive_message(int socket, std::span<std::byte> bytes, std::vector<Fd>& fds);

}  // namespace polyproc::inline v0::os
