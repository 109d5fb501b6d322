// SPDX-License-Identifier: MIT
#include "os/file_id.hpp"

#include <sys/stat.h>

#include <cerrno>

namespace polyproc::inline v0::os {

std::optional<FileId> file_id(int fd) noexcept {
  const int saved = errno;
  struct stat status {};
  const bool open = ::fstat(fd, &status) == 0;
  errno = saved;
  if (!open) return std::nullopt;
  return FileId{status.st_dev, status.st_ino};
}

}  // namespace polyproc::inline v0::os
