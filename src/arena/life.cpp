// SPDX-License-Identifier: MIT
#include "arena/life.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <utility>

#include <polyproc/os/error.hpp>

#include "arena/lock_fd.hpp"
#include "os/memory.hpp"

namespace polyproc::inline v0 {

namespace {

// No fork by another thread copies the mapping before it is marked.
class ForksHeldOff {
 public:
  ForksHeldOff() noexcept { LockFd::hold_off(); }
  ForksHeldOff(const ForksHeldOff&) = delete;
  ForksHeldOff& operator=(const ForksHeldOff&) = delete;
  ~ForksHeldOff() { LockFd::go_on(); }
};

}  // namespace

Life::Life(int fd) {
  const ForksHeldOff until_it_is_marked;
  void* page = ::mmap(nullptr, os::page_size(), PROT_NONE, MAP_SHARED, fd, 0);
  if (page == MAP_FAILED) os::throw_os_error(errno, "mapping", "the arena's file, to hold its lock");
  if (::madvise(page, os::page_size(), MADV_DONTFORK) != 0) {
    const int error = errno;
    ::munmap(page, os::page_size());
    os::throw_os_error(error, "madvise", "the arena's file");
  }
  page_ = page;
}

Life::Life(Life&& other) noexcept : page_(std::exchange(other.page_, nullptr)) {}

Life& Life::operator=(Life&& other) noexcept {
  std::swap(page_, other.page_);
  return *this;
}

Life::~Life() {
  if (page_ != nullptr) ::munmap(page_, os::page_size());
}

}  // namespace polyproc::inline v0
