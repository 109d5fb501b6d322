// SPDX-License-Identifier: MIT
// Addresses as the kernel has them.
#pragma once

#include <sys/socket.h>

#include <optional>
#include <vector>

#include <polyproc/net/address.hpp>
#include <polyproc/os/fd.hpp>

namespace polyproc::inline v0 {

struct Endpoint {
  sockaddr_storage storage{};
  socklen_t size = 0;
  [[nodiscard]] const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
};

// Each that a name stands for; at least one. Throws Error for a host that is not found.
[[nodiscard]] std::vector<Endpoint> resolve(const Address& address, bool to_listen);
// Of a TCP socket; the other end's, nothing when that has gone already, or its own.
[[nodiscard]] std::optional<Address> peer_address(int socket);
[[nodiscard]] Address own_address(int socket);

// Of its family, non-blocking. Throws OsError.
[[nodiscard]] os::Fd make_stream_socket(const Endpoint& endpoint);

}  // namespace polyproc::inline v0
