// SPDX-License-Identifier: MIT
#include "os/pidfd.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include <polyproc/os/error.hpp>

#include "os/poll.hpp"

namespace polyproc::inline v0::os {

std::optional<Fd> open_pidfd(pid_t pid) {
  const long fd = ::syscall(SYS_pidfd_open, pid, 0);  // close-on-exec by itself
  if (fd >= 0) return Fd(static_cast<int>(fd));
  if (errno == ESRCH) return std::nullopt;
  throw_os_error(errno, "pidfd_open", "a process");
}

bool wait_for_end(int pidfd, Deadline deadline) { return wait_for(pidfd, POLLIN, deadline, "a process"); }

bool send_signal(int pidfd, int signal) {
  if (::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) == 0) return true;
  if (errno == ESRCH) return false;
  throw_os_error(errno, "sending a signal", "a process");
}

Fd open_ended() {
  return Fd(checked("eventfd", "a process that has ended", [] { return ::eventfd(1, EFD_CLOEXEC); }));
}

}  // namespace polyproc::inline v0::os
