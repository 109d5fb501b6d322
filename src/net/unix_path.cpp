// SPDX-License-Identifier: MIT
#include "net/unix_path.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>

namespace polyproc::inline v0 {

FolderLock::FolderLock(const std::string& path, Deadline deadline) {
  std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (folder.empty()) folder = ".";
  const std::string& name = folder.native();
  folder_ = os::Fd(
      os::checked("open", name, [&] { return ::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  while (::flock(folder_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) os::throw_os_error(errno, "flock", name);
    if (deadline.passed())
      throw TimeoutError(
          fmt::format("listening at {}: another program holds the lock (flock) of the folder {}; end it, or "
                      "choose a path in a folder that others cannot read",
                      path, name));
    ::poll(nullptr, 0, 1);
  }
}

FolderLock::~FolderLock() { ::flock(folder_.get(), LOCK_UN); }

namespace {

[[noreturn]] void throw_in_use(const std::string& path, const char* why) {
  os::throw_os_error(EADDRINUSE, fmt::format("listening: {}; bind", why), path);
}

// Is there a socket that nobody listens at?
bool is_stale(const std::string& path, const Endpoint& endpoint) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return false;  // gone meanwhile
  if (!S_ISSOCK(status.st_mode))
    throw_in_use(path, "there is something that is no socket; choose another path");
  const os::Fd probe = make_stream_socket(endpoint);
  if (::connect(probe.get(), endpoint.get(), endpoint.size) == 0 || errno == EAGAIN || errno == EINPROGRESS)
    throw_in_use(path, "another program listens there; end it, or choose another path");
  if (errno != ECONNREFUSED) os::throw_os_error(errno, "connect", path);
  return true;
}

}  // namespace

void listen_at_path(int socket, const std::string& path, const Endpoint& endpoint, int backlog,
                    Deadline deadline) {
  const FolderLock lock(path, deadline);
  if (::bind(socket, endpoint.get(), endpoint.size) != 0) {
    if (errno != EADDRINUSE) os::throw_os_error(errno, "bind", path);
    if (is_stale(path, endpoint)) os::checked("unlink", path, [&] { return ::unlink(path.c_str()); });
    os::checked("bind", path, [&] { return ::bind(socket, endpoint.get(), endpoint.size); });
  }
  os::checked("chmod", path, [&] { return ::chmod(path.c_str(), S_IRUSR | S_IWUSR); });
  os::checked("listen", path, [&] { return ::listen(socket, backlog); });
}

BoundPath::BoundPath(std::string path) : path_(std::move(path)), owner_(::getpid()) {
  struct stat status {};
  os::checked("lstat", path_, [&] { return ::lstat(path_.c_str(), &status); });
  device_ = status.st_dev;
  number_ = status.st_ino;
}

BoundPath::BoundPath(BoundPath&& other) noexcept
    : path_(std::exchange(other.path_, {})),
      device_(other.device_),
      number_(other.number_),
      owner_(other.owner_) {}

BoundPath& BoundPath::operator=(BoundPath&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(device_, other.device_);
  std::swap(number_, other.number_);
  std::swap(owner_, other.owner_);
  return *this;
}

BoundPath::~BoundPath() {
  struct stat status {};
  if (path_.empty() || owner_ != ::getpid() || ::lstat(path_.c_str(), &status) != 0) return;
  if (status.st_dev == device_ && status.st_ino == number_) ::unlink(path_.c_str());
}

}  // namespace polyproc::inline v0
