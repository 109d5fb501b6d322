// SPDX-License-Identifier: MIT
// The name of what was thrown.
#pragma once

#include <string>

namespace polyproc::inline v0::os {

// Inside a handler: the readable name of the type of the exception that it handles.
[[nodiscard]] std::string current_exception_type();

}  // namespace polyproc::inline v0::os
