// SPDX-License-Identifier: MIT
// Fails every test that leaves a child process, a descendant, a descriptor or a named arena behind.
#pragma once

#include <set>
#include <string>

namespace polyproc::testing {

// What the kernel knew of this process when the object was made, to be compared with what it knows now.
class LeakGuard {
 public:
  LeakGuard();

  // One sentence for each thing left behind since then; empty when there is none.
  [[nodiscard]] std::set<std::string> leftovers() const;

  // Ends and reaps processes left behind, so that they harm no later test.
  static void end_descendants();

 private:
  std::set<std::string> descriptors_;
  std::set<std::string> named_arenas_;
};

// Looks after each test of this program, and gives its named arenas a folder of their own (POLYPROC_DIR). Call once, after InitGoogleTest and before RUN_ALL_TESTS.
void install_leak_guard();

}  // namespace polyproc::testing
