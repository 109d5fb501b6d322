// SPDX-License-Identifier: MIT
// The instruction sweep: an operation is killed after its first machine instruction, after its second, and so on until
// it completes (in long loops: after their first rounds, and samples of the later ones), each time in a new process that
// is stopped there; after each death the survivor is asked whether all is well.
//
//     sweep({.prepare = [&] { first use, so that the operation itself is swept },
//            .operation = [&] { queue.put(1); },
//            .verify = [&](const Death& death) { what must hold in the survivor; use EXPECT_ and ADD_FAILURE }});
#pragma once

#include <cstddef>
#include <functional>

namespace polyproc::testing {

struct Death {
  std::size_t instructions;  // that the operation had executed
  bool completed;            // it had returned
};

struct Sweep {
  std::function<void()> prepare = [] {};     // in the child, at full speed
  std::function<void()> operation;           // in the child, stepped
  std::function<void(const Death&)> verify;  // in the test's process, after the child is dead and reaped
  std::size_t stride = 1;                    // kill after every stride-th instruction only
  std::size_t most = 100'000;  // more instructions than this are a failure: the operation does not end
};

// Returns the number of instructions that the operation has. Stops at the first failure that `verify` reports. x86-64.
std::size_t sweep(const Sweep& what);

}  // namespace polyproc::testing
