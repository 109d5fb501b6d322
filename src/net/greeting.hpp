// SPDX-License-Identifier: MIT
// What both ends do before the first message of a new connection: TLS, then the challenges.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <polyproc/net/authkey.hpp>
#include <polyproc/net/byte_socket_connection.hpp>
#include <polyproc/net/tls.hpp>

#include "net/handshake.hpp"
#include "net/transport.hpp"

namespace polyproc::inline v0 {

struct Greeting {
  Handshake::Side side;
  const std::optional<AuthKey>& authkey;
  bool allow_md5;
  const std::optional<Tls>& tls;
  std::string host;             // that was connected to
  std::string_view offer = {};  // Handshake's
  bool* agreed = nullptr;       // where to say whether both offer it
};

// `host`: what was connected to, if it was.
[[nodiscard]] std::unique_ptr<Transport> make_transport(os::Fd socket, const std::optional<Tls>& tls,
                                                        const std::string& host);

// Throws AuthenticationError, EndOfFile, Error; TimeoutError at the deadline.
[[nodiscard]] ByteSocketConnection greet(os::Fd socket, const Greeting& greeting, Deadline deadline);

}  // namespace polyproc::inline v0
