// SPDX-License-Identifier: MIT
// This process and its parent, as the family of processes knows them.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>

#include <polyproc/os/deadline.hpp>

namespace polyproc::inline v0 {

class POLYPROC_API CurrentProcess {
 public:
  [[nodiscard]] std::string name() const;  // "MainProcess" where no Process started this one
  [[nodiscard]] pid_t pid() const noexcept;
  [[nodiscard]] bool daemon() const noexcept;
};
[[nodiscard]] POLYPROC_API CurrentProcess current_process() noexcept;

// The process that started this one. Not a child: it cannot be signalled from here, and its exit code is not known.
class POLYPROC_API ParentProcess {
 public:
  [[nodiscard]] std::string name() const;
  [[nodiscard]] pid_t pid() const noexcept;
  [[nodiscard]] bool is_alive() const;
  void join() const { (void)join_until(Deadline::never()); }
  bool join_until(Deadline deadline) const;
  template <class Clock, class Duration>
  bool join_until(const std::chrono::time_point<Clock, Duration>& when) const {
    return join_until(Deadline::at(when));
  }
  template <class Rep, class Period>
  bool join_for(const std::chrono::duration<Rep, Period>& timeout) const {
    return join_until(Deadline::after(timeout));
  }
};
// Nothing in a process that no Process started.
[[nodiscard]] POLYPROC_API std::optional<ParentProcess> parent_process() noexcept;

// Processors that are online.
[[nodiscard]] POLYPROC_API int cpu_count() noexcept;

}  // namespace polyproc::inline v0
