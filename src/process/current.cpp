// SPDX-License-Identifier: MIT
#include <polyproc/process/current.hpp>

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "os/pidfd.hpp"
#include "process/this_process.hpp"

namespace polyproc::inline v0 {
namespace {

// While it is our parent its id cannot belong to anybody else, and afterwards it never is again.
bool parent_is_there() noexcept { return ::getppid() == this_process().role.parent_pid; }

}  // namespace

// Never destroyed: children may be joined, and shared objects used, after static objects are gone.
ThisProcess& this_process() noexcept {
  static ThisProcess& one = *new ThisProcess;
  return one;
}

void become(ChildRole role) {
  ThisProcess& process = this_process();
  set_start_method(role.default_method);
  process.role = std::move(role);
  process.child = true;
  process.processes_made = 0;
}

CurrentProcess current_process() noexcept { return {}; }
std::string CurrentProcess::name() const { return this_process().role.name; }
pid_t CurrentProcess::pid() const noexcept { return ::getpid(); }
bool CurrentProcess::daemon() const noexcept { return this_process().role.daemon; }

std::optional<ParentProcess> parent_process() noexcept {
  return this_process().child ? std::optional(ParentProcess()) : std::nullopt;
}

std::string ParentProcess::name() const { return this_process().role.parent_name; }
pid_t ParentProcess::pid() const noexcept { return this_process().role.parent_pid; }

bool ParentProcess::is_alive() const { return !join_until(Deadline::now()); }

bool ParentProcess::join_until(Deadline deadline) const {
  const auto pidfd = os::open_pidfd(pid());
  if (!parent_is_there() || !pidfd) return true;
  return os::wait_for_end(pidfd->get(), deadline);
}

int cpu_count() noexcept { return static_cast<int>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN))); }

}  // namespace polyproc::inline v0
