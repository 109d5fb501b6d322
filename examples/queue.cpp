// SPDX-License-Identifier: MIT
// A queue between processes: one puts, another gets, in the same order. When put returns, the item is in shared memory,
// so p1 may end before p2 begins, and the number of items is exact.
#include <iostream>
#include <vector>

#include <polyproc/polyproc.hpp>

void put_squares(const std::vector<int>& numbers, polyproc::Queue<int> queue) {
  for (const int number : numbers) queue.put(number * number);
}

void print_queue(polyproc::Queue<int> queue) {
  std::vector<int> seen;
  std::cout << "Queue elements:\n";
  while (!queue.empty()) {
    seen.push_back(queue.get());
    std::cout << seen.back() << '\n';
  }
  std::cout << "Queue is now empty!\n";
  if (seen != std::vector{1, 4, 9, 16}) polyproc::exit_process(1);
}

int main(int argc, char** argv) {
  polyproc::init(argc, argv);

  polyproc::Queue<int> queue;

  polyproc::Process p1(put_squares, std::vector{1, 2, 3, 4}, queue);
  p1.start();
  p1.join();
  polyproc::Process p2(print_queue, queue);
  p2.start();
  p2.join();

  if (p1.exitcode() != 0 || p2.exitcode() != 0 || !queue.empty()) {
    std::cerr << "queue: wrong result\n";
    return 1;
  }
  return 0;
}
