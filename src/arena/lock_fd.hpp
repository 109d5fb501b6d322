// SPDX-License-Identifier: MIT
// A descriptor through which bytes of an arena's file are locked. A fork by another thread would copy it, and the
// unrelated child would keep the locks for as long as it lives. So all such descriptors of a process are in a table, no fork comes
// between the opening of one and its entry, and each forked child closes those that are not its own.
#pragma once

#include <functional>

#include <polyproc/os/fd.hpp>

#include "os/file_id.hpp"

namespace polyproc::inline v0 {

class LockFd {
 public:
  LockFd() noexcept = default;
  // What `open` gives. It is called with forks held off, and must do no more than that.
  [[nodiscard]] static LockFd open(const std::function<os::Fd()>& open);
  LockFd(LockFd&& other) noexcept : fd_(std::move(other.fd_)) {}
  LockFd& operator=(LockFd&& other) noexcept;
  ~LockFd() { close(); }

  [[nodiscard]] int get() const noexcept { return fd_.get(); }
  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(fd_); }
  void close() noexcept;
  // Of one that the host has closed: the number is another descriptor's, or nobody's.
  void forget() noexcept;
  // The same in a forked child, which has closed all of its parent's.
  void forget_parents() noexcept { (void)fd_.release(); }

  // Of the handlers of fork(): last before it; first after it, on both sides; and in the child once it has its own.
  static void hold_off() noexcept;
  static void go_on() noexcept;
  static void close_all_in_child() noexcept;

 private:
  os::Fd fd_;
};

}  // namespace polyproc::inline v0
