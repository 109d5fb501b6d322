// SPDX-License-Identifier: MIT
// A link to a server of CPython's.
#pragma once

#include <memory>

#include "manager/link.hpp"
#include "net/transport.hpp"

namespace polyproc::inline v0 {

// `transport`: a connection that is authenticated.
[[nodiscard]] std::shared_ptr<Link> make_python_link(LinkOptions options,
                                                     std::unique_ptr<Transport> transport);

}  // namespace polyproc::inline v0
