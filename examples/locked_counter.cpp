// SPDX-License-Identifier: MIT
// Four processes add to one value, with its lock and without: an addition is a read and a write, and between them others write.
#include <iostream>
#include <mutex>
#include <vector>

#include <polyproc/polyproc.hpp>

constexpr int kProcesses = 4;
constexpr int kEach = 50'000;

void add_with_the_lock(polyproc::Value<long> sum, polyproc::Barrier start) {
  start.wait();
  for (int i = 0; i < kEach; ++i) {
    const std::scoped_lock guard(sum.get_lock());
    sum = sum + 1;
  }
}

void add_without(polyproc::Value<long> sum, polyproc::Barrier start) {
  start.wait();
  for (int i = 0; i < kEach; ++i) sum = sum + 1;
}

long total(void (*add)(polyproc::Value<long>, polyproc::Barrier)) {
  polyproc::Value<long> sum;
  const polyproc::Barrier start(kProcesses);
  std::vector<polyproc::Process> adders;
  for (int i = 0; i < kProcesses; ++i) adders.emplace_back(add, sum, start).start();
  for (auto& adder : adders) adder.join();
  return sum.get();
}

int main(int argc, char** argv) {
  polyproc::init(argc, argv);

  const long right = kProcesses * kEach;
  const long locked = total(add_with_the_lock);
  const long unlocked = total(add_without);
  std::cout << "With the lock:    " << locked << " of " << right << '\n';
  std::cout << "Without the lock: " << (unlocked == right ? "all, by luck" : "some additions are lost")
            << '\n';
  std::cerr << "(lost: " << right - unlocked << ")\n";
  return locked == right ? 0 : 1;
}
