// SPDX-License-Identifier: MIT
// An Array and a Value lie in memory that parent and child share: what the child writes there, the parent reads.
#include <algorithm>
#include <iostream>
#include <vector>

#include <polyproc/polyproc.hpp>

void compute_squares(const std::vector<int>& numbers, polyproc::Array<int> squares,
                     polyproc::Value<int> sum) {
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    squares[i] = numbers[i] * numbers[i];
    sum = sum + squares[i];
  }
  std::cout << "Result(in process p1): " << squares << '\n';
  std::cout << "Sum of squares(in process p1): " << sum << '\n';
}

int main(int argc, char** argv) {
  polyproc::init(argc, argv);

  polyproc::Array<int> squares(4);
  polyproc::Value<int> sum;

  polyproc::Process p1(compute_squares, std::vector{1, 2, 3, 4}, squares, sum);
  p1.start();
  p1.join();

  std::cout << "Result(in main program): " << squares << '\n';
  std::cout << "Sum of squares(in main program): " << sum << '\n';

  if (p1.exitcode() != 0 || !std::ranges::equal(squares, std::vector{1, 4, 9, 16}) || sum != 30) {
    std::cerr << "shared_memory: wrong result\n";
    return 1;
  }
  return 0;
}
