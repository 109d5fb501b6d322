// SPDX-License-Identifier: MIT
#include "process/launch.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include <polyproc/os/error.hpp>

#include "arena/arena_core.hpp"
#include "os/pidfd.hpp"

namespace polyproc::inline v0 {

void recover_after(const std::vector<ForkRecord::Embryo>& embryos) noexcept {
  for (const auto& embryo : embryos) {
    try {
      if (const auto core = embryo.core.lock()) core->recover(embryo.identity);
    } catch (const std::exception&) {
      // Found again by the next recovery of the arena.
    }
  }
}

SentinelReserve::SentinelReserve() : spare_(os::open_ended()) {}

void SentinelReserve::open_for(Launched& child) {
  try {
    std::optional<os::Fd> pidfd;
    try {
      pidfd = os::open_pidfd(child.pid);
    } catch (const OsError&) {
      spare_.reset();
      pidfd = os::open_pidfd(child.pid);
    }
    child.collected = !pidfd;
    child.sentinel = pidfd ? std::move(*pidfd) : spare_ ? std::move(spare_) : os::open_ended();
  } catch (const OsError&) {
    ::kill(child.pid, SIGKILL);
    discard(child.pid);
    recover_after(child.embryos);
    throw;
  }
}

void discard(pid_t pid) noexcept {
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) != 0 && errno == EINTR) {
  }
}

}  // namespace polyproc::inline v0
