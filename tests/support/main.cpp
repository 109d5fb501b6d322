// SPDX-License-Identifier: MIT
// The main of every test program: hands spawned children over to polyproc first, then runs the tests and looks after
// each one whether it left a process, a descriptor or a named arena behind.
#include <gtest/gtest.h>

#include <polyproc/process/init.hpp>

#include "support/leak_guard.hpp"

int main(int argc, char** argv) {
  polyproc::init(argc, argv);
  ::testing::InitGoogleTest(&argc, argv);
  polyproc::testing::install_leak_guard();
  return RUN_ALL_TESTS();
}
