// SPDX-License-Identifier: MIT
// Descriptors of processes: unlike a process id, never another process later.
#pragma once

#include <sys/types.h>

#include <optional>

#include <polyproc/os/deadline.hpp>
#include <polyproc/os/fd.hpp>

namespace polyproc::inline v0::os {

// Nothing when there is no such process. Throws OsError (EMFILE, ENOSYS...).
[[nodiscard]] POLYPROC_API std::optional<Fd> open_pidfd(pid_t pid);  // exported for the other components

// Waits until the process has ended; false when the deadline came first.
[[nodiscard]] bool wait_for_end(int pidfd, Deadline deadline);

// False when the process has ended already. Throws OsError (EPERM).
bool send_signal(int pidfd, int signal);

// A descriptor that is readable for ever, as the pidfd of an ended process is.
[[nodiscard]] Fd open_ended();

}  // namespace polyproc::inline v0::os
