// SPDX-License-Identifier: MIT
#include <polyproc/process/process.hpp>

#include <gtest/gtest.h>
#include <polyproc/shared/array.hpp>
#include <polyproc/shared/value.hpp>

#include "process/support.hpp"

namespace polyproc::testing {
namespace {

void write_squares(Array<int> squares, Value<int> sum) {
  int i = 0;
  for (int& square : squares) square = (i + 1) * (i + 1), ++i;
  for (const int square : squares) sum = sum + square;
}

TEST_P(EachMethod, RunsAFunctionOnSharedObjects) {
  Array<int> squares(4);
  Value<int> sum(0);
  Process p(options(), write_squares, squares, sum);
  EXPECT_FALSE(p.is_alive());
  p.start();
  EXPECT_TRUE(p.join_for(kLong));
  EXPECT_EQ(p.exitcode(), 0);
  EXPECT_EQ(squares.to_vector(), (std::vector{1, 4, 9, 16}));
  EXPECT_EQ(sum.get(), 30);
}

INSTANTIATE_TEST_SUITE_P(Process, EachMethod, kMethods, method_name);

}  // namespace
}  // namespace polyproc::testing
