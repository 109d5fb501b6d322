// SPDX-License-Identifier: MIT
#include "os/fd_socket.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>

namespace polyproc::inline v0::os {
namespace {

constexpr const char* kWhat = "a socket between processes";

struct Control {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostFds * sizeof(int))> bytes{};
};

bool is_gone(int error) noexcept { return error == EPIPE || error == ECONNRESET || error == ENOTCONN; }

void take_fds(msghdr& message, std::vector<Fd>& fds) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    std::array<int, kMostFds> numbers{};
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    std::memcpy(numbers.data(), CMSG_DATA(part), count * sizeof(int));
    for (std::size_t i = 0; i < count; ++i) fds.emplace_back(numbers.at(i));
  }
}

}  // namespace

std::pair<Fd, Fd> make_fd_sockets() {
  std::array<int, 2> ends{};
  checked("socketpair", kWhat,
          [&] { return ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()); });
  return {Fd(ends[0]), Fd(ends[1])};
}

bool send_message(int socket, std::span<const std::byte> bytes, std::span<const int> fds) {
  if (fds.size() > kMostFds)
    throw InvalidArgument(fmt::format("sending {} descriptors: at most {} go", fds.size(), kMostFds));
  iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  Control control;
  if (!fds.empty()) {
    message.msg_control = control.bytes.data();
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(head), fds.data(), fds.size_bytes());
  }
  ssize_t sent = 0;
  do {
    sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0 && !is_gone(errno)) throw_os_error(errno, "sendmsg", kWhat);
  return sent >= 0;
}

bool receive_message(int socket, std::span<std::byte> bytes, std::vector<Fd>& fds) {
  iovec part{bytes.data(), bytes.size()};
  Control control;
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes.data();
  message.msg_controllen = control.bytes.size();
  ssize_t received = 0;
  do {
    received = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (received < 0 && errno == EINTR);
  if (received < 0 && !is_gone(errno)) throw_os_error(errno, "recvmsg", kWhat);
  if (received <= 0) return false;
  take_fds(message, fds);
  if (static_cast<std::size_t>(received) != bytes.size() || (message.msg_flags & MSG_TRUNC) != 0)
    throw Error(
        fmt::format("receiving from {}: a message of {} bytes instead of {}", kWhat, received, bytes.size()));
  return true;
}

}  // namespace polyproc::inline v0::os
