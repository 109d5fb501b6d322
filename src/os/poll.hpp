// SPDX-License-Identifier: MIT
// Waiting for a descriptor. Exported for the other components.
#pragma once

#include <poll.h>

#include <span>
#include <string_view>

#include <polyproc/os/config.hpp>
#include <polyproc/os/deadline.hpp>

namespace polyproc::inline v0::os {

// Until the descriptor shows one of `events` (POLLIN, POLLOUT), an error, or that its other side is gone; false at the
// deadline. Throws OsError, which names `object`.
POLYPROC_API bool wait_for(int fd, short events, Deadline deadline, std::string_view object);
// As poll(2): until one of them shows what is asked for, an error, or that it is not open; false at the deadline.
POLYPROC_API bool poll_until(std::span<pollfd> watched, Deadline deadline, std::string_view object);

}  // namespace polyproc::inline v0::os
