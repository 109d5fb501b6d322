// SPDX-License-Identifier: MIT
#include "os/file_lock.hpp"

#include <fcntl.h>

#include <cerrno>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>

namespace polyproc::inline v0::os {
namespace {

struct flock range(short type, std::uint64_t index, std::uint64_t count) noexcept {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(index);
  lock.l_len = static_cast<off_t>(count);
  return lock;
}

}  // namespace

bool try_lock_byte(int fd, std::uint64_t index) {
  struct flock lock = range(F_WRLCK, index, 1);
  if (::fcntl(fd, F_OFD_SETLK, &lock) == 0) return true;
  if (errno == EAGAIN || errno == EACCES) return false;
  throw_os_error(errno, "lock a byte", fmt::format("descriptor {}", fd));
}

void lock_byte(int fd, std::uint64_t index) {
  struct flock lock = range(F_WRLCK, index, 1);
  checked("lock a byte", "the arena's file", [&] { return ::fcntl(fd, F_OFD_SETLKW, &lock); });
}

void unlock_byte(int fd, std::uint64_t index) noexcept {
  struct flock lock = range(F_UNLCK, index, 1);
  ::fcntl(fd, F_OFD_SETLK, &lock);
}

bool byte_locked_elsewhere(int fd, std::uint64_t index, std::uint64_t count) noexcept {
  struct flock lock = range(F_WRLCK, index, count);
  return ::fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

}  // namespace polyproc::inline v0::os
