// SPDX-License-Identifier: MIT
// The example of README.md: two processes count primes; a queue feeds them, a shared value adds up what they find.
#include <iostream>
#include <polyproc/polyproc.hpp>

void count_primes(polyproc::Queue<int> numbers, polyproc::Value<int> primes) {
  for (int n : numbers) {
    int divisor = 2;
    while (divisor * divisor <= n && n % divisor != 0) ++divisor;
    if (divisor * divisor > n) primes.atomic().fetch_add(1);
  }
}

int main(int argc, char** argv) {
  polyproc::init(argc, argv);
  polyproc::Queue<int> numbers(1000);  // holds at most 1000
  polyproc::Value<int> primes;
  polyproc::Process a(count_primes, numbers, primes), b(count_primes, numbers, primes);
  a.start();
  b.start();
  for (int n = 2; n <= 100'000; ++n) numbers.put(n);
  numbers.shutdown();  // the two drain it and end
  a.join();
  b.join();
  std::cout << primes << " primes up to 100000\n";
  return primes == 9592 ? 0 : 1;
}
