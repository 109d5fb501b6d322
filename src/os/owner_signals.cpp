// SPDX-License-Identifier: MIT
#include "os/owner_signals.hpp"

#include <csignal>

namespace polyproc::inline v0::os {

// Handlers that a forked process has from its parent are the parent's: one that writes into a pipe (Asio's) would be heard there.
// For SIGINT a handler of ours, not SIG_IGN, which programs that are started from here would inherit.
void leave_signals_to_owner() noexcept {
  struct sigaction now {};
  struct sigaction own {};
  own.sa_handler = [](int) {};
  own.sa_flags = SA_RESTART;
  if (::sigaction(SIGINT, nullptr, &now) == 0 && now.sa_handler != SIG_IGN)
    ::sigaction(SIGINT, &own, nullptr);
  own.sa_handler = SIG_DFL;
  ::sigaction(SIGTERM, &own, nullptr);
}

}  // namespace polyproc::inline v0::os
