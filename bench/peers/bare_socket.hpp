// SPDX-License-Identifier: MIT
// A Unix stream socket with messages whose length both ends know: one system call each.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include <polyproc/os/fd.hpp>

#include "../harness.hpp"

namespace bench {

class BareSocket {
 public:
  static std::pair<BareSocket, BareSocket> make_pair(std::size_t size) {
    std::array<int, 2> ends{};
    check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0, "socketpair");
    return {BareSocket(ends[0], size), BareSocket(ends[1], size)};
  }

  void send_bytes(std::span<const std::byte> message) const {
    while (!message.empty()) {
      const ssize_t sent = ::send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL);
      check(sent > 0, "send");
      message = message.subspan(static_cast<std::size_t>(sent));
    }
  }
  [[nodiscard]] std::span<const std::byte> recv_bytes() const {
    const ssize_t got = ::recv(socket_.get(), buffer_.data(), buffer_.size(), MSG_WAITALL);
    check(got == static_cast<ssize_t>(buffer_.size()), "recv");
    return buffer_;
  }

 private:
  BareSocket(int socket, std::size_t size) : socket_(socket), buffer_(size) {}
  polyproc::os::Fd socket_;
  mutable std::vector<std::byte> buffer_;  // used again by each message
};

}  // namespace bench
