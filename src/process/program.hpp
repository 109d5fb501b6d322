// SPDX-License-Identifier: MIT
// What init() learned about the program.
#pragma once

#include <string>

namespace polyproc::inline v0 {

struct Program {
  bool initialised = false;
  std::string argv0;
};
[[nodiscard]] Program& own_program() noexcept;

}  // namespace polyproc::inline v0
