// SPDX-License-Identifier: MIT
// Connected stream sockets, before anything is said on them.
#pragma once

#include <string>

#include <polyproc/net/address.hpp>
#include <polyproc/os/deadline.hpp>
#include <polyproc/os/fd.hpp>

#include "net/private_socket.hpp"

namespace polyproc::inline v0 {

// Throws OsError when nobody listens there, TimeoutError. Forked children keep it, unless it is `own`.
[[nodiscard]] os::Fd connect_socket(const Address& address, Deadline deadline, PrivateSocket* own = nullptr);
// What a certificate of the other end names; empty where it is no host.
[[nodiscard]] std::string host_of(const Address& address);

// Sets an option that is a switch.
void switch_on(int socket, int level, int option);
// Blocking from now on; small messages leave at once.
void settle(const os::Fd& socket, Address::Family family);

}  // namespace polyproc::inline v0
