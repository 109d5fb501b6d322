// SPDX-License-Identifier: MIT
// What a program prints while a child is forked is written once, by the program.
#include <gtest/gtest.h>
#include <polyproc/process/process.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>

#include "process/process_core.hpp"
#include "support/forked_child.hpp"

namespace polyproc::testing {
namespace {

// Another thread may print between the flush and the fork.
TEST(ForkOutput, OfTheParentIsNotTheChilds) {
  const std::string path = ::testing::TempDir() + "/fork_output." + std::to_string(::getpid());
  ForkedChild program([&] {
    const int file = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (::dup2(file, STDOUT_FILENO) < 0) return 1;
    const auto child = std::make_shared<ProcessCore>(detail::make_target([] { std::puts("child"); }),
                                                     ProcessOptions{.method = StartMethod::fork});
    child->prepare_start();
    std::cout << "parent\n";
    child->start_prepared();
    (void)child->join(Deadline::never());
    return child->exitcode() == 0 ? 0 : 2;
  });
  EXPECT_EQ(program.join(), 0);
  std::ifstream said(path);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(said), {}), "child\nparent\n");
  ::unlink(path.c_str());
}

}  // namespace
}  // namespace polyproc::testing
