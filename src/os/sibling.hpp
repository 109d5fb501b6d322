// SPDX-License-Identifier: MIT
// A copy of this process that is its parent's child: the parent of both can wait for it like for any child of its own.
#pragma once

#include <sys/types.h>

namespace polyproc::inline v0::os {

// As fork(), for a process with a single thread, which must not hold a lock. Handlers of pthread_atfork are not run. The
// C library's thread id and list of robust mutexes are the child's own, as after fork(). Throws OsError.
[[nodiscard]] pid_t fork_sibling();

}  // namespace polyproc::inline v0::os
