// SPDX-License-Identifier: MIT
// The main of every test program: hands spawned children over to polyproc first, then runs the tests and looks after
// each one whether it left a process, a descriptor or a named arena behind.
#include <gtest/gtest.h>

#if __has_include(<polyproc/process/init.hpp>)
#include <polyproc/process/init.hpp>
#define POLYPROC_TEST_INIT(argc, argv) polyproc::init(argc, argv)
#else
#define POLYPROC_TEST_INIT(argc, argv) static_cast<void>(0)
#endif

#include "support/leak_guard.hpp"

int main(int argc, char** argv) {
  POLYPROC_TEST_INIT(argc, argv);
  ::testing::InitGoogleTest(&argc, argv);
  polyproc::testing::install_leak_guard();
  return RUN_ALL_TESTS();
}
