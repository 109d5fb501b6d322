// SPDX-License-Identifier: MIT
#include "arena/region.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <utility>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>

#include "arena/lost_file.hpp"
#include "os/memory.hpp"

namespace polyproc::inline v0 {
namespace {

constexpr std::uint64_t kTiB = std::uint64_t{1} << 40;
constexpr std::uint64_t kCostlyReserve = std::uint64_t{1} << 28;

std::byte* map_reserved(int fd, std::uint64_t reserve, const std::string& name) {
  void* base = ::mmap(nullptr, reserve, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (base == MAP_FAILED) os::throw_os_error(errno, fmt::format("mapping {} bytes", reserve), name);
  ::madvise(base, reserve, MADV_DONTDUMP);  // shared data of many processes has no place in one's core dump
  return static_cast<std::byte*>(base);
}

os::FileId identify(int fd, const std::string& name) {
  const auto file = os::file_id(fd);
  if (!file) os::throw_os_error(EBADF, "stat", name);
  return *file;
}

}  // namespace

os::Fd reopen_file(int fd) {
  const std::string path = fmt::format("/proc/self/fd/{}", fd);
  return os::Fd(os::checked("open", path, [&] { return ::open(path.c_str(), O_RDWR | O_CLOEXEC); }));
}

std::uint64_t Region::default_reserve() noexcept {
  std::uint64_t reserve = os::reservations_are_costly()    ? kCostlyReserve
                          : os::address_space_is_crowded() ? kTiB / 16
                                                           : kTiB;
  const std::uint64_t room = std::min(os::address_space_limit(), os::file_size_limit()) / 4;
  if (room < reserve) reserve = std::bit_floor(std::max(room, kPageSize * 1024));
  return reserve;
}

Region::Region(os::Fd fd, std::uint64_t reserve, std::string name, bool on_file_system)
    : file_(identify(fd.get(), name)),
      fd_(fd.get()),
      base_(map_reserved(fd.get(), reserve, name)),
      reserve_(reserve),
      name_(std::move(name)),
      on_file_system_(on_file_system) {
  (void)fd.release();
}

Region::~Region() {
  ::munmap(base_, reserve_);
  const int fd = fd_.load(std::memory_order_relaxed);
  if (os::file_id(fd) == file_) os::Fd(fd).reset();
}

int Region::fd() const noexcept {
  const int fd = fd_.load(std::memory_order_acquire);
  return os::file_id(fd) == file_ ? fd : replace_lost(fd);
}

int Region::replace_lost(int fd) const noexcept {
  os::Fd found = find_lost_file(*this);
  if (!found) return -1;
  if (!fd_.compare_exchange_strong(fd, found.get(), std::memory_order_acq_rel))
    return fd;  // another thread's
  return found.release();
}

int Region::require_fd() const {
  const int fd = this->fd();
  if (fd >= 0) return fd;
  throw UsageError(fmt::format(
      "{}: its descriptor was closed by the program, and the file cannot be opened anew; close foreign "
      "descriptors before the first shared object is made, or leave those of polyproc open",
      name_));
}

// By its name where it has one: who gets the descriptor can tell the name from it, and the maker's own was opened before the
// file had a name.
os::Fd Region::reopen() const {
  if (on_file_system_) {
    os::Fd named(::open(name_.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (named && os::file_id(named.get()) == file_) return named;
  }
  return reopen_file(require_fd());
}

PageDescriptor& Region::page(std::uint64_t index) const {
  if (index >= reserve_ / kPageSize) throw_bad_offset(index * kPageSize, kPageSize);
  return reinterpret_cast<PageDescriptor*>(base_ + kHeaderBytes)[index];
}

void Region::require_file_size(std::uint64_t end) const {
  if (end <= os::file_size_limit()) return;  // else the kernel would send SIGXFSZ
  throw ArenaFull(
      fmt::format("allocation in {}: the arena's file would grow to {} bytes, beyond the limit of file "
                  "sizes (ulimit -f); raise it",
                  name_, end));
}

void Region::commit(std::uint64_t offset, std::uint64_t count) const {
  require_file_size(offset + count);
  const int fd = require_fd();
  while (::fallocate(fd, 0, static_cast<off_t>(offset), static_cast<off_t>(count)) != 0) {
    if (errno == EINTR) continue;
    if (errno == ENOSPC || errno == ENOMEM) {
      throw ArenaFull(
          fmt::format("allocation of {} bytes in {}: the system has no memory left for it; free objects, or "
                      "enlarge the mount that backs the arena",
                      count, name_));
    }
    os::throw_os_error(errno, fmt::format("reserving {} bytes", count), name_);
  }
}

bool Region::punch(std::uint64_t offset, std::uint64_t count) const noexcept {
  const int saved = errno;
  const int result = ::fallocate(fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                                 static_cast<off_t>(count));
  errno = saved;
  return result == 0;
}

void Region::throw_bad_offset(std::uint64_t offset, std::uint64_t count) const {
  throw CorruptArena(
      fmt::format("{}: offset {} with {} bytes lies outside the arena of {} bytes; its memory was "
                  "overwritten by a faulty program",
                  name_, offset, count, reserve_));
}

}  // namespace polyproc::inline v0
