// SPDX-License-Identifier: MIT
// Shared objects in a message.
#include <vector>

#include <polyproc/channel/byte_connection.hpp>
#include <polyproc/os/fail_point.hpp>

#include "channel/travelling.hpp"

namespace polyproc::inline v0 {

bool ByteConnection::send_references(Writer& out, const detail::SentHandles& handles,
                                     Deadline deadline) const {
  const Escrows escrows(handles.blocks());
  out.write_raw(std::as_bytes(escrows.references()));
  std::vector<int> descriptors(handles.descriptors().begin(), handles.descriptors().end());
  escrows.append_claims(descriptors);
  POLYPROC_FAIL_POINT("connection.references_held");
  const Luggage luggage{descriptors, escrows.size(), handles.blocks().size()};
  return send_packet(out.bytes(), luggage, deadline);
}

}  // namespace polyproc::inline v0
