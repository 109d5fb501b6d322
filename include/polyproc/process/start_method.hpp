// SPDX-License-Identifier: MIT
// How child processes come to be: a copy of this process (fork), its program started anew (spawn), or a copy of such a
// new program that was kept for this (forkserver).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <polyproc/os/config.hpp>

namespace polyproc::inline v0 {

// fork: any callable, fastest; not safe for a child that needs what other threads of the parent were using.
// spawn: nothing is inherited but the shared objects in the arguments; needs polyproc::init in main.
// forkserver: as spawn, but fast whatever this process's size: children are copies of a clean process with one thread, which
// is started with the first of them.
enum class StartMethod { fork, spawn, forkserver };

[[nodiscard]] POLYPROC_API std::string_view to_string(StartMethod method) noexcept;
// Throws InvalidArgument, naming the valid ones.
[[nodiscard]] POLYPROC_API StartMethod parse_start_method(std::string_view name);

// What processes use that do not say; fork at first. Children take it over. May be called again at any time.
POLYPROC_API void set_start_method(StartMethod method);
POLYPROC_API void set_start_method(std::string_view name);
[[nodiscard]] POLYPROC_API std::string get_start_method();
[[nodiscard]] POLYPROC_API std::vector<std::string> get_all_start_methods();

// A function that the fork server calls before it makes children, which find loaded what it has loaded; it may not
// leave threads running. Null: none. Throws UsageError when the server runs already; what goes wrong in the function is thrown
// by the first start.
POLYPROC_API void set_forkserver_preload(void (*preload)());

}  // namespace polyproc::inline v0
