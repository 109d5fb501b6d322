// SPDX-License-Identifier: MIT
#include "net/private_socket.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <vector>

#include <polyproc/os/error.hpp>

namespace polyproc::inline v0 {

// The number may stand for something else by the time it is looked at: whoever owns the socket may have closed it.
struct PrivateSocket::Entry {
  int fd;
  dev_t device;
  ino_t number;

  [[nodiscard]] bool is_open() const noexcept {
    struct stat status {};
    return ::fstat(fd, &status) == 0 && status.st_dev == device && status.st_ino == number;
  }
};

namespace {

// An unconnected socket, where no number is left in the place of one that is given up.
int make_blank(int given_up) noexcept {
  const auto make = [] { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); };
  const int blank = make();
  if (blank >= 0 || errno != EMFILE) return blank;
  ::close(given_up);
  return make();
}

}  // namespace

struct PrivateSocket::All {
  std::mutex lock;  // held during fork(); nothing is waited for under it
  std::vector<Entry*> entries;

  // The handler in a child: what it does to a number whose owner is inside of a call is as if the connection had ended.
  void replace() noexcept {
    int blank = -1;
    bool is_placed = false;
    for (Entry* each : entries) {
      if (!each->is_open()) continue;
      if (blank < 0) blank = make_blank(each->fd);
      if (blank < 0) break;
      if (blank == each->fd)
        is_placed = true;
      else
        ::dup3(blank, each->fd, O_CLOEXEC);
    }
    if (blank >= 0 && !is_placed) ::close(blank);
  }
};

PrivateSocket::All& PrivateSocket::all() {
  static All& all = *[] {
    auto* made = new All();  // threads that end late may still use it
    ::pthread_atfork([] { PrivateSocket::all().lock.lock(); }, [] { PrivateSocket::all().lock.unlock(); },
                     [] {
                       PrivateSocket::all().replace();
                       PrivateSocket::all().lock.unlock();
                     });
    return made;
  }();
  return all;
}

void PrivateSocket::see_forks() { (void)all(); }

PrivateSocket::PrivateSocket() noexcept = default;
PrivateSocket::PrivateSocket(PrivateSocket&&) noexcept = default;

PrivateSocket::~PrivateSocket() {
  if (!entry_) return;
  const std::lock_guard lock(all().lock);
  std::erase(all().entries, entry_.get());
}

os::Fd PrivateSocket::open(const Endpoint& endpoint) {
  All& all = PrivateSocket::all();
  const std::lock_guard lock(all.lock);
  if (!entry_) {
    auto made = std::make_unique<Entry>();
    all.entries.push_back(made.get());
    entry_ = std::move(made);
  }
  *entry_ = {-1, 0, 0};
  os::Fd socket = make_stream_socket(endpoint);
  struct stat status {};
  os::checked("fstat", "a connection", [&] { return ::fstat(socket.get(), &status); });
  *entry_ = {socket.get(), status.st_dev, status.st_ino};
  return socket;
}

}  // namespace polyproc::inline v0
