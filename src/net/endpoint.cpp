// SPDX-License-Identifier: MIT
#include "net/endpoint.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <memory>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>

namespace polyproc::inline v0 {
namespace {

Endpoint unix_endpoint(const Address& address) {
  Endpoint endpoint;
  auto& name = reinterpret_cast<sockaddr_un&>(endpoint.storage);
  name.sun_family = AF_UNIX;
  const bool abstract = address.family() == Address::Family::unix_abstract;
  const std::string& text = address.path();
  std::copy(text.begin(), text.end(), name.sun_path + (abstract ? 1 : 0));  // either way one zero more
  endpoint.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + text.size() + 1);
  return endpoint;
}

Address tcp_address(const sockaddr_storage& storage, socklen_t size) {
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> service{};
  const int error = ::getnameinfo(reinterpret_cast<const sockaddr*>(&storage), size, host.data(), host.size(),
                                  service.data(), service.size(), NI_NUMERICHOST | NI_NUMERICSERV);
  if (error != 0) throw Error(fmt::format("reading the address of a socket: {}", ::gai_strerror(error)));
  std::uint16_t port = 0;
  std::from_chars(service.data(), service.data() + std::strlen(service.data()), port);
  return Address::tcp(host.data(), port);
}

template <class Call>
Address address_by(Call call, int socket, const char* name) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  os::checked(name, "a connection",
              [&] { return call(socket, reinterpret_cast<sockaddr*>(&storage), &size); });
  return tcp_address(storage, size);
}

}  // namespace

std::vector<Endpoint> resolve(const Address& address, bool to_listen) {
  if (address.family() != Address::Family::tcp) return {unix_endpoint(address)};
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_NUMERICSERV | (to_listen ? AI_PASSIVE : 0);
  addrinfo* found = nullptr;
  const std::string port = std::to_string(address.port());
  const int error =
      ::getaddrinfo(address.host().empty() ? nullptr : address.host().c_str(), port.c_str(), &wanted, &found);
  if (error != 0)
    throw Error(fmt::format("looking up the host of address '{}': {}; check the name", address,
                            ::gai_strerror(error)));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> all(found, &::freeaddrinfo);
  std::vector<Endpoint> endpoints;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    Endpoint& endpoint = endpoints.emplace_back();
    endpoint.size = each->ai_addrlen;
    std::memcpy(&endpoint.storage, each->ai_addr, each->ai_addrlen);
  }
  return endpoints;
}

std::optional<Address> peer_address(int socket) {
  try {
    return address_by(&::getpeername, socket, "getpeername");
  } catch (const OsError& error) {
    if (error.code() == ENOTCONN) return std::nullopt;
    throw;
  }
}
Address own_address(int socket) { return address_by(&::getsockname, socket, "getsockname"); }

os::Fd make_stream_socket(const Endpoint& endpoint) {
  const int family = endpoint.storage.ss_family;
  os::Fd socket(os::checked("socket", "a connection",
                            [&] { return ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }));
  return socket;
}

}  // namespace polyproc::inline v0
