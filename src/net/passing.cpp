// SPDX-License-Identifier: MIT
#include "net/passing.hpp"

#include <sys/uio.h>

#include <utility>
#include <vector>

#include <polyproc/os/error.hpp>

#include "os/fd_socket.hpp"

namespace polyproc::inline v0 {

// One byte, of which not a part alone can be taken.
bool send_with(const Transport& transport, std::byte first, const os::Fd& descriptor) {
  const iovec part{&first, 1};
  const int fd = descriptor.get();
  const auto status =
      os::send_packet(transport.fd(), std::span(&part, 1), std::span(&fd, 1), Deadline::now());
  if (status == os::PacketStatus::gone)
    throw EndOfFile("a connection's other end is closed, or its process has ended");
  return status == os::PacketStatus::done;
}

std::optional<std::size_t> read_with(const Transport& transport, std::span<std::byte> room,
                                     os::Fd& descriptor, Deadline deadline) {
  const iovec part{room.data(), room.size()};
  os::ReceivedPacket packet;
  std::vector<os::Fd> came;
  switch (os::receive_packet(transport.fd(), std::span(&part, 1), packet, came, deadline)) {
    case os::PacketStatus::timed_out:
      return std::nullopt;
    case os::PacketStatus::gone:
      return 0;
    case os::PacketStatus::done:
      break;
  }
  if (!came.empty()) descriptor = std::move(came.front());
  return packet.size;
}

}  // namespace polyproc::inline v0
