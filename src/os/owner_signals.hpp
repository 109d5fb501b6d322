// SPDX-License-Identifier: MIT
// What a process that only serves its owner, a pool's worker or a manager's server, does with the signals that both get.
#pragma once

#include <polyproc/os/config.hpp>

namespace polyproc::inline v0::os {

// Ctrl-C is for the owner: it ends, and its servants with it, or goes on, and they do. SIGTERM ends this process, where it is not
// blocked. The owner's handlers of other signals are gone, but for those of crashes; the mask is left as it is.
POLYPROC_API void leave_signals_to_owner() noexcept;  // exported for the other components

}  // namespace polyproc::inline v0::os
