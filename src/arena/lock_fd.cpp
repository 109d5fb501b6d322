// SPDX-License-Identifier: MIT
#include "arena/lock_fd.hpp"

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include "arena/fork.hpp"

namespace polyproc::inline v0 {
namespace {

struct Entered {
  int fd;
  std::optional<os::FileId> file;  // whose number a host may have closed and reused meanwhile
};

struct Table {
  std::mutex mutex;
  std::vector<Entered> claims;
};

// Never destroyed, as the registry of arenas.
Table& table() {
  static Table& one = *new Table;
  return one;
}

}  // namespace

LockFd LockFd::open(const std::function<os::Fd()>& open) {
  handle_forks();
  LockFd claim;
  Table& all = table();
  std::lock_guard guard(all.mutex);
  all.claims.reserve(all.claims.size() + 1);
  claim.fd_ = open();
  all.claims.push_back({claim.get(), os::file_id(claim.get())});
  return claim;
}

LockFd& LockFd::operator=(LockFd&& other) noexcept {
  if (this == &other) return *this;
  close();
  fd_ = std::move(other.fd_);
  return *this;
}

void LockFd::close() noexcept {
  if (!fd_) return;
  Table& all = table();
  std::lock_guard guard(all.mutex);
  std::erase_if(all.claims, [&](const Entered& each) { return each.fd == fd_.get(); });
  fd_.reset();
}

void LockFd::forget() noexcept {
  if (!fd_) return;
  Table& all = table();
  std::lock_guard guard(all.mutex);
  std::erase_if(all.claims, [&](const Entered& each) { return each.fd == fd_.get(); });
  (void)fd_.release();
}

void LockFd::hold_off() noexcept { table().mutex.lock(); }
void LockFd::go_on() noexcept { table().mutex.unlock(); }

void LockFd::close_all_in_child() noexcept {
  Table& all = table();
  std::lock_guard guard(all.mutex);
  for (const Entered& each : all.claims) {
    if (each.file && os::file_id(each.fd) == each.file) os::Fd(each.fd).reset();
  }
  all.claims.clear();
}

}  // namespace polyproc::inline v0
