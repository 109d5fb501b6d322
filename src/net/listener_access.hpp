// SPDX-License-Identifier: MIT
// Accepting without waiting, and without the handshake: for servers that do it beside other things.
#pragma once

#include <polyproc/net/listener.hpp>

namespace polyproc::inline v0::detail {

struct ListenerAccess {
  // Nothing when nobody is there. Throws OsError.
  [[nodiscard]] static os::Fd accept_now(Listener& listener);
};

}  // namespace polyproc::inline v0::detail
