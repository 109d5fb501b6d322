// SPDX-License-Identifier: MIT
// Primes counted range by range: by a pool, with a line that tells how far it is, and by this process alone.
#include <chrono>
#include <iostream>
#include <numeric>
#include <utility>
#include <vector>

#include <polyproc/polyproc.hpp>

constexpr int kLast = 2'000'000;
constexpr int kStep = 20'000;

int count_primes(int first, int last) {
  int primes = 0;
  for (int n = first; n < last; ++n) {
    int divisor = 2;
    while (divisor * divisor <= n && n % divisor != 0) ++divisor;
    primes += n >= 2 && divisor * divisor > n;
  }
  return primes;
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

int main(int argc, char** argv) {
  polyproc::init(argc, argv);

  std::vector<std::pair<int, int>> ranges;
  for (int first = 0; first < kLast; first += kStep) ranges.emplace_back(first, first + kStep);

  const auto begin = std::chrono::steady_clock::now();
  polyproc::Pool pool;
  const auto show = [](std::size_t done, std::size_t all) {
    std::cerr << "\rranges: " << done << " of " << all << (done == all ? "\n" : "");
  };
  const auto counts = pool.starmap(count_primes, ranges, {.chunk_size = 1, .progress = show});
  const int together = std::accumulate(counts.begin(), counts.end(), 0);
  const double pool_seconds = seconds_since(begin);

  const auto again = std::chrono::steady_clock::now();
  const int alone = count_primes(0, kLast);
  const double alone_seconds = seconds_since(again);

  std::cout << "A pool counts " << together << " primes below " << kLast << ", one process " << alone << '\n';
  std::cerr << "(" << pool.processes() << " processes: " << pool_seconds << " s, one: " << alone_seconds
            << " s)\n";
  return together == alone ? 0 : 1;
}
