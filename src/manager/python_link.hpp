// SPDX-License-Identifier: MIT
// A link to a server of CPython's.
#pragma once

#include <memory>

#include "manager/link.hpp"
#include "manager/own_connection.hpp"

namespace polyproc::inline v0 {

// `connection`: the first one, to see that it answers.
[[nodiscard]] std::shared_ptr<Link> make_python_link(LinkOptions options, OwnConnection connection);

}  // namespace polyproc::inline v0
