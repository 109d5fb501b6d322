// SPDX-License-Identifier: MIT
// Threads of the library's own: they take no signals, which are for the host's threads, and a fork is safe from them.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>
#include <thread>

namespace polyproc::inline v0::os {

// Throws OsError, naming `purpose`.
[[nodiscard]] std::thread start_own_thread(std::string_view purpose, std::function<void()> body);
// Those that run in this process.
[[nodiscard]] std::size_t count_own_threads() noexcept;

}  // namespace polyproc::inline v0::os
