// SPDX-License-Identifier: MIT
// The keeper of descriptors (channel/keeper.hpp) as the program started anew: unlike a fork of this process it has none
// of its memory. Possible where init() will not be missed: it was called.
#pragma once

namespace polyproc::inline v0 {

// From init(): keepers are started so from now on.
void start_keepers_anew() noexcept;

// At a program's start, before its static objects are made: does not return in a program that is to be a keeper.
void run_if_keeper(const char* argument) noexcept;

}  // namespace polyproc::inline v0
