// SPDX-License-Identifier: MIT
// Processes have memory of their own: what a child appends to a global list is not seen by its parent.
#include <cstdio>
#include <vector>

#include <fmt/ranges.h>
#include <polyproc/polyproc.hpp>

std::vector<int> result;

void append_squares(const std::vector<int>& numbers) {
  for (const int number : numbers) result.push_back(number * number);
  fmt::print("Result(in process {}): {}\n", polyproc::current_process().name(), result);
  if (result != std::vector{1, 4, 9, 16}) polyproc::exit_process(1);
}

int main(int argc, char** argv) {
  polyproc::init(argc, argv);

  polyproc::Process p1({.name = "p1"}, append_squares, std::vector{1, 2, 3, 4});
  p1.start();
  p1.join();

  fmt::print("Result(in main program): {}\n", result);

  if (p1.exitcode() != 0 || !result.empty()) {
    fmt::print(stderr, "separate_memory: wrong result\n");
    return 1;
  }
  return 0;
}
