// SPDX-License-Identifier: MIT
// The paths of Unix sockets that listen: who ends regularly removes them, who is killed leaves them behind.
#pragma once

#include <sys/types.h>

#include <string>

#include <polyproc/os/deadline.hpp>
#include <polyproc/os/fd.hpp>

#include "net/endpoint.hpp"

namespace polyproc::inline v0 {

// The lock (flock) of the folder that a path is in. Whoever may read the folder can hold it, so there is a deadline.
class FolderLock {
 public:
  // Throws TimeoutError, OsError.
  FolderLock(const std::string& path, Deadline deadline);
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  // Lets it go whoever else has the descriptor: a child that was forked meanwhile, for one.
  ~FolderLock();

 private:
  os::Fd folder_;
};

// Binds and listens, owner-only. A path that nobody listens at any more is taken over; listeners that try that at the same
// time do so one after the other, by a lock on the folder. Throws OsError (EADDRINUSE) when somebody listens there, or it is
// no socket; TimeoutError when somebody else holds the folder's lock until the deadline.
void listen_at_path(int socket, const std::string& path, const Endpoint& endpoint, int backlog,
                    Deadline deadline = Deadline::after(std::chrono::seconds(5)));

// A path, and the file that it leads to: removed only while it does.
class BoundPath {
 public:
  BoundPath() noexcept = default;
  explicit BoundPath(std::string path);
  BoundPath(BoundPath&& other) noexcept;
  BoundPath& operator=(BoundPath&& other) noexcept;
  ~BoundPath();

 private:
  std::string path_;  // none: nothing is to be removed
  dev_t device_ = 0;
  ino_t number_ = 0;
  pid_t owner_ = 0;  // a forked child leaves it to its parent
};

}  // namespace polyproc::inline v0
