// SPDX-License-Identifier: MIT
// A connection to a server that is this process's alone: the server hears of its end whatever children there are.
#pragma once

#include <memory>
#include <string_view>

#include "manager/link.hpp"
#include "net/private_socket.hpp"
#include "net/transport.hpp"

namespace polyproc::inline v0 {

struct OwnConnection {
  PrivateSocket socket;  // outlives the transport
  std::unique_ptr<Transport> transport;
  bool agreed = false;  // the other end offers the same
};

// Connects, and shows the key. Throws what connect_to does.
[[nodiscard]] OwnConnection open_connection(const LinkOptions& options, std::string_view offer);

}  // namespace polyproc::inline v0
