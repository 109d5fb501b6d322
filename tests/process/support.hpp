// SPDX-License-Identifier: MIT
// What the tests of processes share beside the start methods: parents that are processes of
// their own, made by the host's fork, which a test may kill.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <polyproc/polyproc.hpp>

#include <chrono>
#include <functional>
#include <string>

#include "support/start_methods.hpp"

namespace polyproc::testing {

inline constexpr std::chrono::milliseconds kShort{40};

// Waits for a process that need not be a child; false when it runs for another second.
inline bool ends_soon(int pid) {
  const int sentinel = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (sentinel < 0) return true;
  pollfd ended{sentinel, POLLIN, 0};
  const int count = ::poll(&ended, 1, 1000);
  ::close(sentinel);
  return count == 1;
}

// Says that it runs, then waits for the word to go on.
inline void report_and_wait(Queue<int>& running, Queue<int>& go_on) {
  running.put(::getpid());
  (void)go_on.get();
}

inline void report_and_hang(Queue<int>& running) {
  running.put(::getpid());
  wait_for_ever();
}

inline void set_flag(Value<int>& flag) { flag = 1; }

// A process that the host forked, not the library.
class HostFork {
 public:
  // The child ends with the number that `act` returns.
  explicit HostFork(const std::function<int()>& act) : pid_(::fork()) {
    if (pid_ == 0) ::_exit(act());
  }
  HostFork(const HostFork&) = delete;
  HostFork& operator=(const HostFork&) = delete;
  ~HostFork() {
    if (pid_ > 0) kill();
  }

  void kill() {
    ::kill(pid_, SIGKILL);
    (void)wait();
  }
  // As exitcode().
  int wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  pid_t pid_;
};

}  // namespace polyproc::testing
