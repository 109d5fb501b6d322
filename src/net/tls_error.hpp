// SPDX-License-Identifier: MIT
// OpenSSL's complaints as exceptions.
#pragma once

#include <string>

namespace polyproc::inline v0 {

// Error: `what`, and the reason that this thread's OpenSSL gives.
[[noreturn]] void throw_tls_error(const std::string& what);

}  // namespace polyproc::inline v0
