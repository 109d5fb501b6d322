// SPDX-License-Identifier: MIT
// Without a deadline the calls block themselves, which is one system call less; else poll waits.
#include "net/transport.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <vector>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>

#include "os/poll.hpp"

namespace polyproc::inline v0 {
namespace {

constexpr const char* kWhat = "a connection";

// What is left of the parts after `sent` bytes.
void skip_sent(std::vector<iovec>& parts, std::size_t sent) {
  auto part = parts.begin();
  for (; part != parts.end() && sent >= part->iov_len; ++part) sent -= part->iov_len;
  parts.erase(parts.begin(), part);
  if (parts.empty()) return;
  parts.front().iov_base = static_cast<std::byte*>(parts.front().iov_base) + sent;
  parts.front().iov_len -= sent;
}

}  // namespace

Transport::~Transport() = default;

void Transport::throw_gone() {
  throw EndOfFile("sending through a connection: the other end is closed, or its process has ended");
}

bool Transport::wait(bool for_input, bool for_room, Deadline deadline) {
  return os::wait_for(fd(), static_cast<short>((for_input ? POLLIN : 0) | (for_room ? POLLOUT : 0)), deadline,
                      kWhat);
}

std::optional<std::size_t> Transport::read(std::span<std::byte> room, Deadline deadline) {
  return read_socket(room, deadline);
}

bool Transport::write(std::span<const iovec> parts, Deadline deadline) {
  return write_socket(parts, deadline);
}

bool Transport::passes_descriptors() const {
  int domain = 0;
  socklen_t size = sizeof domain;
  return ::getsockopt(fd(), SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

void Transport::acknowledge() const noexcept {
  const int on = 1;
  (void)::setsockopt(fd(), IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);  // no TCP: nothing to be done
}

std::size_t Transport::write_some(std::span<const std::byte> bytes) { return write_socket_now(bytes); }

std::size_t Transport::write_socket_now(std::span<const std::byte> bytes) {
  for (;;) {
    const ssize_t sent = ::send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) return static_cast<std::size_t>(sent);
    if (errno == EAGAIN) return 0;
    if (errno == ECONNRESET || errno == EPIPE || errno == ENOTCONN) throw_gone();
    if (errno != EINTR) os::throw_os_error(errno, "send", kWhat);
  }
}

std::optional<std::size_t> Transport::read_socket(std::span<std::byte> room, Deadline deadline) {
  const int flags = deadline.is_never() ? 0 : MSG_DONTWAIT;
  for (;;) {
    const ssize_t count = ::recv(fd(), room.data(), room.size(), flags);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno == EAGAIN) {
      if (!os::wait_for(fd(), POLLIN, deadline, kWhat)) return std::nullopt;
    } else if (errno == ECONNRESET || errno == EPIPE) {
      return 0;
    } else if (errno != EINTR) {
      os::throw_os_error(errno, "recv", kWhat);
    }
  }
}

bool Transport::write_socket(std::span<const iovec> parts, Deadline deadline) {
  std::vector<iovec> left(parts.begin(), parts.end());
  const int flags = MSG_NOSIGNAL | (deadline.is_never() ? 0 : MSG_DONTWAIT);
  for (skip_sent(left, 0); !left.empty();) {
    msghdr message{};
    message.msg_iov = left.data();
    message.msg_iovlen = left.size();
    const ssize_t sent = ::sendmsg(fd(), &message, flags);
    if (sent >= 0) {
      skip_sent(left, static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      if (!os::wait_for(fd(), POLLOUT, deadline, kWhat)) return false;
    } else if (errno == ECONNRESET || errno == EPIPE || errno == ENOTCONN) {
      throw_gone();
    } else if (errno != EINTR) {
      os::throw_os_error(errno, "sendmsg", kWhat);
    }
  }
  return true;
}

}  // namespace polyproc::inline v0
