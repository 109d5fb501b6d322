// SPDX-License-Identifier: MIT
// Two of four workers are killed with SIGKILL in the middle of their work. The others go on, and nothing is lost but what
// the dead had in hand: at most one item each; join() tells how many.
#include <iostream>
#include <vector>

#include <polyproc/polyproc.hpp>

constexpr int kItems = 20'000;
constexpr int kWorkers = 4;

int count_divisors(int number) {
  int count = 0;
  for (int i = 1; i <= number; ++i) count += number % i == 0;
  return count;
}

void work(polyproc::JoinableQueue<int> numbers, polyproc::Array<int> results) {
  for (const int number : numbers) {
    results.atomic(static_cast<std::size_t>(number)).fetch_add(count_divisors(number));
    numbers.task_done();
  }
}

int main(int argc, char** argv) {
  polyproc::init(argc, argv);

  polyproc::JoinableQueue<int> numbers(100);  // full most of the time: while we put, the workers are at work
  polyproc::Array<int> results(kItems + 1);

  std::vector<polyproc::Process> workers;
  for (int i = 0; i < kWorkers; ++i) workers.emplace_back(work, numbers, results).start();

  int killed = 0;
  for (int number = 1; number <= kItems; ++number) {
    numbers.put(number);
    if (number != kItems / 3 && number != kItems * 2 / 3) continue;
    polyproc::Process& victim = workers[static_cast<std::size_t>(killed++)];
    victim.kill();
    victim.join();
    std::cout << victim.name() << " was killed, its exit code is " << *victim.exitcode() << '\n';
  }
  const int lost = static_cast<int>(numbers.join());  // does not wait for the dead
  numbers.shutdown();
  int failed = -killed;
  for (const polyproc::Process& worker : workers) {
    worker.join();
    failed += worker.exitcode() != 0;
  }

  int right = 0;  // done once; done twice would count the divisors double
  int missing = 0;
  for (int number = 1; number <= kItems; ++number) {
    const int result = results[static_cast<std::size_t>(number)];
    right += result == count_divisors(number);
    missing += result == 0;
  }
  std::cout << right << " of " << kItems << " numbers are done, " << lost
            << " were in the hands of the dead\n";
  const bool good = right + missing == kItems && missing <= lost && lost <= killed && failed == 0;
  std::cout << (good ? "Nothing else was lost, and nothing was done twice.\n"
                     : "WRONG: more was lost, or done twice\n");
  return good ? 0 : 1;
}
