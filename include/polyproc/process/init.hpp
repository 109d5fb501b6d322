// SPDX-License-Identifier: MIT
// The call at the top of main that makes spawned children possible.
#pragma once

#include <polyproc/os/config.hpp>

namespace polyproc::inline v0 {

// In a program that was started as usual: notes that spawned children will be caught, and returns. In a spawned child:
// makes the call that the child was started for, and ends the process; it never returns. Call it first in main, before
// the arguments are looked at and before any shared object is made.
POLYPROC_API void init(int argc, char* const* argv);

}  // namespace polyproc::inline v0
