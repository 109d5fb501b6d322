// SPDX-License-Identifier: MIT
#include "net/greeting.hpp"

#include <memory>
#include <utility>

#include <polyproc/os/error.hpp>

#include "net/tls_transport.hpp"

namespace polyproc::inline v0 {
namespace {

[[noreturn]] void throw_late() {
  throw TimeoutError("connecting: the other end has not done its part of the handshake in time");
}

void send_all(const ByteSocketConnection& connection, const std::vector<Handshake::Frame>& frames,
              Deadline deadline) {
  for (const auto& frame : frames)
    if (!connection.send_message(frame, deadline)) throw_late();
}

void say_farewell(const ByteSocketConnection& connection, const Handshake& handshake) noexcept {
  try {
    if (!handshake.farewell().empty()) (void)connection.send_message(handshake.farewell(), Deadline::now());
  } catch (const Error&) {  // it hears nothing any more
  }
}

void authenticate(const ByteSocketConnection& connection, Handshake& handshake, Deadline deadline) {
  connection.set_longest(Handshake::kLongestFrame);
  try {
    send_all(connection, handshake.begin(), deadline);
    while (!handshake.done()) {
      const auto frame = connection.recv_message(deadline);
      if (!frame) throw_late();
      send_all(connection, handshake.take(*frame), deadline);
    }
  } catch (const AuthenticationError&) {
    say_farewell(connection, handshake);
    throw;
  }
  connection.set_longest(ByteSocketConnection::kNoLimit);
}

}  // namespace

std::unique_ptr<Transport> make_transport(os::Fd socket, const std::optional<Tls>& tls,
                                          const std::string& host) {
  if (!tls) return std::make_unique<Transport>(std::move(socket));
  return std::make_unique<TlsTransport>(std::move(socket), *tls, host);
}

ByteSocketConnection greet(os::Fd socket, const Greeting& greeting, Deadline deadline) {
  auto transport = make_transport(std::move(socket), greeting.tls, greeting.host);
  if (!transport->shake_hands(deadline)) throw_late();
  ByteSocketConnection connection(std::move(transport));
  if (!greeting.authkey) return connection;
  Handshake handshake(greeting.side, *greeting.authkey, greeting.allow_md5, greeting.offer);
  authenticate(connection, handshake, deadline);
  if (greeting.agreed != nullptr) *greeting.agreed = handshake.agreed();
  return connection;
}

}  // namespace polyproc::inline v0
