// SPDX-License-Identifier: MIT
// Fails every test that leaves a child process, a descendant, a descriptor or shared memory behind.
#pragma once

namespace polyproc::testing {

// Call once, after InitGoogleTest and before RUN_ALL_TESTS.
void install_leak_guard();

}  // namespace polyproc::testing
