// SPDX-License-Identifier: MIT
// What surrounds the user's function in a child.
#pragma once

#include <functional>

namespace polyproc::inline v0 {

// Calls `function`, reports what it throws, ends and joins this process's own children, and flushes stdio; the exit
// code.
[[nodiscard]] int run_child(const std::function<void()>& function) noexcept;

// Buffered output, which a fork would duplicate and _exit would lose.
void flush_stdio() noexcept;

}  // namespace polyproc::inline v0
