// SPDX-License-Identifier: MIT
#include "os/owner_signals.hpp"

#include <algorithm>
#include <csignal>
#include <iterator>

namespace polyproc::inline v0::os {
namespace {

// Whose handlers write reports, and concern the process itself alone.
bool tells_of_a_crash(int signal) noexcept {
  constexpr int kCrashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
  return std::find(std::begin(kCrashes), std::end(kCrashes), signal) != std::end(kCrashes);
}

}  // namespace

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
  for (int signal = 1; signal <= SIGRTMAX; ++signal) {
    if (signal == SIGINT || tells_of_a_crash(signal) || ::sigaction(signal, nullptr, &now) != 0) continue;
    const bool has_handler = now.sa_handler != SIG_DFL && now.sa_handler != SIG_IGN;
    if (has_handler || signal == SIGTERM) ::sigaction(signal, &own, nullptr);
  }
}

}  // namespace polyproc::inline v0::os
