// SPDX-License-Identifier: MIT
// How a child ends, seen from inside.
#pragma once

#include <polyproc/os/config.hpp>

namespace polyproc::inline v0 {

// exitcode() of a child whose end somebody else collected: SIGCHLD is ignored, or the program waits for any child.
inline constexpr int kExitUnknown = 255;
// Of a child that ended by an uncaught exception, or could not begin.
inline constexpr int kExitFailed = 1;

// Thrown by exit_process. No std::exception, so that a handler of errors does not hold it up.
class POLYPROC_API ProcessExit {
 public:
  explicit ProcessExit(int code) noexcept : code_(code) {}
  [[nodiscard]] int code() const noexcept { return code_; }

 private:
  int code_;
};

// Ends the child process that calls it, from its main thread, destroying what is on the stack. The parent sees the low
// eight bits of `code`. Throws UsageError in a process that was not started by a Process.
[[noreturn]] POLYPROC_API void exit_process(int code);

}  // namespace polyproc::inline v0
