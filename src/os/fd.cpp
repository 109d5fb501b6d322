// SPDX-License-Identifier: MIT
#include <polyproc/os/fd.hpp>

#include <unistd.h>

#include <cerrno>

namespace polyproc::inline v0::os {

void Fd::reset(int fd) noexcept {
  const int saved = errno;
  if (fd_ >= 0) ::close(fd_);  // never repeated on EINTR: Linux has closed it already
  fd_ = fd;
  errno = saved;
}

}  // namespace polyproc::inline v0::os
