// SPDX-License-Identifier: MIT
#include "os/fd_socket.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>

#include "os/poll.hpp"

namespace polyproc::inline v0::os {
namespace {

constexpr const char* kWhat = "a socket between processes";

struct Control {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostFds * sizeof(int))> bytes;
};

msghdr message_of(std::span<const iovec> parts) noexcept {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());  // which the kernel only reads
  message.msg_iovlen = parts.size();
  return message;
}

void attach(msghdr& message, Control& control, std::span<const int> fds) {
  if (fds.size() > kMostFds)
    throw InvalidArgument(
        fmt::format("sending {} descriptors with one message: at most {} go", fds.size(), kMostFds));
  if (fds.empty()) return;
  message.msg_control = control.bytes.data();
  message.msg_controllen = CMSG_SPACE(fds.size_bytes());
  std::memset(control.bytes.data(), 0, message.msg_controllen);
  cmsghdr* head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(fds.size_bytes());
  std::memcpy(CMSG_DATA(head), fds.data(), fds.size_bytes());
}

void take_fds(msghdr& message, std::vector<Fd>& fds) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    fds.reserve(fds.size() + count);
    for (std::size_t i = 0; i < count; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(part) + i * sizeof number, sizeof number);
      fds.emplace_back(number);
    }
  }
}

// Blocks in the call itself where there is no deadline, which wakes one of several; else, and where the host has made the
// socket non-blocking, in poll.
template <class Call>
ssize_t call_until(int socket, short events, Deadline deadline, Call call) {
  const int flags = deadline.is_never() ? 0 : MSG_DONTWAIT;
  for (;;) {
    const ssize_t result = call(flags);
    if (result >= 0) return result;
    if (errno == EAGAIN && (deadline.is_now() || !wait_for(socket, events, deadline, kWhat))) {
      errno = EAGAIN;
      return -1;
    }
    if (errno != EAGAIN && errno != EINTR) return -1;
  }
}

}  // namespace

std::pair<Fd, Fd> make_fd_sockets() {
  std::array<int, 2> ends{};
  checked("socketpair", kWhat,
          [&] { return ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()); });
  return {Fd(ends[0]), Fd(ends[1])};
}

PacketStatus send_packet(int socket, std::span<const iovec> parts, std::span<const int> fds,
                         Deadline deadline) {
  const bool plain = parts.size() == 1 && fds.empty();  // which a shorter call sends
  msghdr message = message_of(parts);
  Control control;
  attach(message, control, fds);
  const ssize_t sent = call_until(socket, POLLOUT, deadline, [&](int flags) {
    return plain ? ::send(socket, parts[0].iov_base, parts[0].iov_len, flags | MSG_NOSIGNAL)
                 : ::sendmsg(socket, &message, flags | MSG_NOSIGNAL);
  });
  if (sent >= 0) return PacketStatus::done;
  if (errno == EAGAIN) return PacketStatus::timed_out;
  if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN) return PacketStatus::gone;
  throw_os_error(errno, "sendmsg", kWhat);
}

PacketStatus receive_packet(int socket, std::span<const iovec> parts, ReceivedPacket& packet,
                            std::vector<Fd>& fds, Deadline deadline) {
  msghdr message{};
  Control control;
  const ssize_t received = call_until(socket, POLLIN, deadline, [&](int flags) {
    ssize_t result = 0;
    do {
      message = message_of(parts);
      message.msg_control = control.bytes.data();
      message.msg_controllen = control.bytes.size();
      result = ::recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
      // Told once, before what was sent earlier, when the other end is closed while something waits there unread.
    } while (result < 0 && errno == ECONNRESET);
    return result;
  });
  if (received < 0 && errno == EAGAIN) return PacketStatus::timed_out;
  if (received < 0 && errno != ENOTCONN) throw_os_error(errno, "recvmsg", kWhat);
  if (received <= 0) return PacketStatus::gone;
  take_fds(message, fds);
  packet.size = static_cast<std::size_t>(received);
  packet.cut = (message.msg_flags & MSG_TRUNC) != 0;
  packet.fds_lost = (message.msg_flags & MSG_CTRUNC) != 0;
  return PacketStatus::done;
}

bool send_message(int socket, std::span<const std::byte> bytes, std::span<const int> fds) {
  const iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  return send_packet(socket, std::span(&part, 1), fds, Deadline::never()) == PacketStatus::done;
}

bool receive_message(int socket, std::span<std::byte> bytes, std::vector<Fd>& fds) {
  const iovec part{bytes.data(), bytes.size()};
  ReceivedPacket packet;
  if (receive_packet(socket, std::span(&part, 1), packet, fds, Deadline::never()) != PacketStatus::done)
    return false;
  if (packet.size != bytes.size() || packet.cut)
    throw Error(fmt::format("receiving from {}: a message of {} bytes instead of {}", kWhat, packet.size,
                            bytes.size()));
  if (packet.fds_lost) throw_os_error(EMFILE, "recvmsg", kWhat);
  return true;
}

}  // namespace polyproc::inline v0::os
