// SPDX-License-Identifier: MIT
// How a daemon dies with its parent: the parent alone holds the writing end of a pipe; each daemon has the kernel send
// it SIGKILL when that end is gone. Unlike PR_SET_PDEATHSIG this does not ask which thread started the daemon, and
// unlike a watching thread it needs nothing to run in the daemon.
#pragma once

#include <polyproc/os/fd.hpp>

namespace polyproc::inline v0 {

// In the parent. Must be closed in every forked child.
class LifeLine {
 public:
  LifeLine();
  // A reading end with an open file description of its own, for one daemon.
  [[nodiscard]] os::Fd reading_end() const;
  void close() noexcept { writing_end_.reset(); }

 private:
  os::Fd writing_end_;
};

// In the daemon: from now on it ends with its parent; it ends here when the parent is gone already.
void die_with_parent(os::Fd reading_end);

}  // namespace polyproc::inline v0
