// SPDX-License-Identifier: MIT
#include "net/connecting.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>

#include "net/endpoint.hpp"
#include "os/poll.hpp"

namespace polyproc::inline v0 {

void switch_on(int socket, int level, int option) {
  const int on = 1;
  os::checked("setsockopt", "a connection",
              [&] { return ::setsockopt(socket, level, option, &on, sizeof on); });
}

void settle(const os::Fd& socket, Address::Family family) {
  os::checked("fcntl F_SETFL", "a connection", [&] { return ::fcntl(socket.get(), F_SETFL, 0); });
  if (family == Address::Family::tcp) switch_on(socket.get(), IPPROTO_TCP, TCP_NODELAY);
}

namespace {

// An errno, 0 when connected. Throws TimeoutError.
int try_connect(int socket, const Endpoint& endpoint, Deadline deadline, const Address& address) {
  const auto throw_late = [&] {
    throw TimeoutError(
        fmt::format("connecting to {}: it does not answer; is it the right address?", address));
  };
  // A Unix listener with too many waiting says so at once.
  while (::connect(socket, endpoint.get(), endpoint.size) != 0) {
    if (errno == EAGAIN && address.family() != Address::Family::tcp) {
      if (deadline.passed()) throw_late();
      ::poll(nullptr, 0, 1);
      continue;
    }
    if (errno != EINPROGRESS && errno != EINTR) return errno;
    if (!os::wait_for(socket, POLLOUT, deadline, address.str())) throw_late();
    int error = 0;
    socklen_t size = sizeof error;
    os::checked("getsockopt", address.str(),
                [&] { return ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size); });
    return error;
  }
  return 0;
}

}  // namespace

os::Fd connect_socket(const Address& address, Deadline deadline, PrivateSocket* own) {
  int error = 0;
  for (const Endpoint& endpoint : resolve(address, false)) {
    os::Fd socket = own != nullptr ? own->open(endpoint) : make_stream_socket(endpoint);
    error = try_connect(socket.get(), endpoint, deadline, address);
    if (error != 0) continue;
    settle(socket, address.family());
    return socket;
  }
  os::throw_os_error(error, "connect", address.str());
}

std::string host_of(const Address& address) {
  return address.family() == Address::Family::tcp ? address.host() : std::string();
}

}  // namespace polyproc::inline v0
