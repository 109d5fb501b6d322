// SPDX-License-Identifier: MIT
// A number that is another one in each forked child than in its parent: what getpid tells, without a system call.
#pragma once

namespace polyproc::inline v0::os {

// Throws OsError, once, when the system has no room for the handler of forks.
[[nodiscard]] unsigned fork_count();

}  // namespace polyproc::inline v0::os
