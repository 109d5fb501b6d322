// SPDX-License-Identifier: MIT
// Links: to a server of ours, one connection for all threads, any number of calls at a time; to CPython's, a connection for each
// thread and one for each control function.
#pragma once

#include <memory>

#include "manager/link.hpp"

namespace polyproc::inline v0 {

// Connects; what speaks at the other end is found out by the challenges.
[[nodiscard]] std::shared_ptr<Link> make_link(LinkOptions options);

}  // namespace polyproc::inline v0
