// SPDX-License-Identifier: MIT
#include "manager/own_connection.hpp"

#include <optional>

#include "net/connecting.hpp"
#include "net/greeting.hpp"

namespace polyproc::inline v0 {

OwnConnection open_connection(const LinkOptions& options, std::string_view offer) {
  const Deadline deadline = Deadline::after(options.connect.timeout);
  const std::optional<AuthKey> key = options.key;
  OwnConnection made;
  made.transport = detail::TransportAccess::take(
      greet(connect_socket(options.address, deadline, &made.socket),
            {Handshake::Side::client, key, options.connect.allow_md5, options.connect.tls,
             host_of(options.address), offer, &made.agreed},
            deadline));
  return made;
}

}  // namespace polyproc::inline v0
