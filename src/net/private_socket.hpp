// SPDX-License-Identifier: MIT
// Sockets that end with this process: a child that is forked meanwhile does not keep them. Else the other end would not hear of
// this one's death as long as the child lives, whether that ever uses the connection or not.
#pragma once

#include <memory>

#include <polyproc/os/fd.hpp>

#include "net/endpoint.hpp"

namespace polyproc::inline v0 {

// That a socket is such; to be kept as long as that is open. In a child an unconnected socket is in its place, so that whoever has
// the number, in the middle of whatever, still owns a descriptor.
class PrivateSocket {
 public:
  PrivateSocket() noexcept;
  PrivateSocket(PrivateSocket&&) noexcept;
  PrivateSocket& operator=(PrivateSocket&&) = delete;
  ~PrivateSocket();

  // As make_stream_socket; no fork comes between. What was open before must be closed.
  [[nodiscard]] os::Fd open(const Endpoint& endpoint);
  // Forks are seen from here on. They take the locks of handlers that are registered later before ours.
  static void see_forks();

 private:
  struct Entry;
  struct All;
  [[nodiscard]] static All& all();
  std::unique_ptr<Entry> entry_;
};

}  // namespace polyproc::inline v0
