// SPDX-License-Identifier: MIT
#include "os/membarrier.hpp"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace polyproc::inline v0::os {

bool register_membarrier() noexcept {
  const int saved = errno;
  const long result = ::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0);
  errno = saved;
  return result == 0;
}

void global_membarrier() noexcept {
  const int saved = errno;
  ::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0);
  errno = saved;
}

}  // namespace polyproc::inline v0::os
