// SPDX-License-Identifier: MIT
#include "os/named_socket.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <limits>
#include <stdexcept>

#include <polyproc/os/error.hpp>

namespace polyproc::inline v0::os {
namespace {

constexpr const char* kWhat = "a socket with a name";

struct Address {
  sockaddr_un name{};
  socklen_t size = 0;
  [[nodiscard]] const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&name); }
};

// A first byte of 0 says that the name lies in no folder.
Address address_of(std::string_view name) {
  Address address;
  if (name.size() >= sizeof address.name.sun_path) throw std::logic_error("the name of a socket is too long");
  address.name.sun_family = AF_UNIX;
  std::copy(name.begin(), name.end(), address.name.sun_path + 1);
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return address;
}

}  // namespace

Fd make_packet_socket() {
  return Fd(checked("socket", kWhat, [] { return ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0); }));
}

bool bind_name(int socket, std::string_view name) {
  const Address address = address_of(name);
  if (::bind(socket, address.get(), address.size) == 0) return true;
  if (errno == EADDRINUSE) return false;
  throw_os_error(errno, "bind", name);
}

void start_listening(int socket) {
  checked("listen", kWhat, [&] { return ::listen(socket, std::numeric_limits<int>::max()); });
}

bool connect_to_name(int socket, std::string_view name) {
  const Address address = address_of(name);
  int result = 0;
  do {
    result = ::connect(socket, address.get(), address.size);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return true;
  if (errno == ECONNREFUSED || errno == ENOENT || errno == ECONNRESET) return false;
  throw_os_error(errno, "connect", name);
}

Fd accept_waiting(int listener) {
  for (;;) {
    Fd accepted(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (accepted || errno == EAGAIN || errno == ECONNABORTED) return accepted;
    if (errno != EINTR) throw_os_error(errno, "accept", kWhat);
  }
}

uid_t peer_user(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  checked("getsockopt SO_PEERCRED", kWhat,
          [&] { return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size); });
  return peer.uid;
}

}  // namespace polyproc::inline v0::os
