// SPDX-License-Identifier: MIT
// Bytes that nobody can guess, from the kernel.
#pragma once

#include <cstddef>
#include <vector>

namespace polyproc::inline v0 {

// Throws OsError.
[[nodiscard]] std::vector<std::byte> random_bytes(std::size_t count);

}  // namespace polyproc::inline v0
