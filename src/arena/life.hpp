// SPDX-License-Identifier: MIT
// What keeps a process's byte lock in an arena's file, and with it its claim to be alive: a mapping of the open file
// description that took the lock. The kernel drops the lock when the last reference to the description goes, so there
// must be exactly one, and it must go with the process:
// - a mapping that forked children do not inherit (MADV_DONTFORK), neither those of fork() nor of a raw clone; until it is marked
//   so, fork() is held off;
// - no descriptor, which a host that closes all of them would take away, and a child would keep.
// The arena itself is mapped through another description, because its mapping is inherited.
#pragma once

namespace polyproc::inline v0 {

class Life {
 public:
  Life() noexcept = default;
  // Refers to the description that holds the lock; the descriptor may be closed then. Not while forks are held off (LockFd).
  explicit Life(int fd);
  Life(Life&& other) noexcept;
  Life& operator=(Life&& other) noexcept;
  ~Life();

  // In a forked child: the parent's mapping is not here.
  void forget() noexcept { page_ = nullptr; }

 private:
  void* page_ = nullptr;
};

}  // namespace polyproc::inline v0
