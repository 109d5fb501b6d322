// SPDX-License-Identifier: MIT
#include "process/life_line.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include <polyproc/os/error.hpp>
#include <polyproc/process/exit.hpp>

namespace polyproc::inline v0 {

LifeLine::LifeLine() {
  int ends[2];
  os::checked("pipe", "the life line of daemons", [&] { return ::pipe2(ends, O_CLOEXEC); });
  const os::Fd unused(ends[0]);
  writing_end_.reset(ends[1]);
}

os::Fd LifeLine::reading_end() const {
  const std::string path = "/proc/self/fd/" + std::to_string(writing_end_.get());
  return os::Fd(
      os::checked("open", path, [&] { return ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC); }));
}

void die_with_parent(os::Fd reading_end) {
  const int fd = reading_end.release();  // for the rest of this process's life
  const char* name = "the life line of a daemon";
  os::checked("fcntl F_SETOWN", name, [&] { return ::fcntl(fd, F_SETOWN, ::getpid()); });
  os::checked("fcntl F_SETSIG", name, [&] { return ::fcntl(fd, F_SETSIG, SIGKILL); });
  os::checked("fcntl F_SETFL", name, [&] { return ::fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK); });
  pollfd parent{fd, 0, 0};
  if (::poll(&parent, 1, 0) > 0) ::_exit(kExitFailed);
}

}  // namespace polyproc::inline v0
