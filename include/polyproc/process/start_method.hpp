// SPDX-License-Identifier: MIT
// How child processes come to be: a copy of this process (fork), or its program started anew (spawn).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <polyproc/os/config.hpp>

namespace polyproc::inline v0 {

// fork: any callable, fastest; not safe for a child that needs what other threads of the parent were using.
// spawn: nothing is inherited but the shared objects in the arguments; needs polyproc::init in main.
enum class StartMethod { fork, spawn };

[[nodiscard]] POLYPROC_API std::string_view to_string(StartMethod method) noexcept;
// Throws InvalidArgument, naming the valid ones.
[[nodiscard]] POLYPROC_API StartMethod parse_start_method(std::string_view name);

// What processes use that do not say; fork at first. Children take it over. May be called again at any time.
POLYPROC_API void set_start_method(StartMethod method);
POLYPROC_API void set_start_method(std::string_view name);
[[nodiscard]] POLYPROC_API std::string get_start_method();
[[nodiscard]] POLYPROC_API std::vector<std::string> get_all_start_methods();

}  // namespace polyproc::inline v0
