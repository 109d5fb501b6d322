// SPDX-License-Identifier: MIT
// A function named so that another process can find it, wherever its modules are loaded: the module's build id and the
// function's distance from the module's start. The program itself needs no build id: a spawned child runs the same one.
#pragma once

#include <cstdint>
#include <string>

namespace polyproc::inline v0 {

struct FunctionToken {
  std::string build_id;  // its bytes; empty: the program itself
  std::string module;    // file name, for messages
  std::uint64_t offset = 0;
};

// Throws UsageError when the address is in no module, or in a library without build id.
[[nodiscard]] FunctionToken make_function_token(const void* address);
// Throws UsageError when this process has not loaded that module.
[[nodiscard]] void* find_function(const FunctionToken& token);

// Around a fork. Looking through the modules takes a lock of the loader's, of which a child that is forked meanwhile would have a
// copy that is never released.
void hold_modules();
void let_modules_go();

}  // namespace polyproc::inline v0
