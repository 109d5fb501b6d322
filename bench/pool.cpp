// SPDX-License-Identifier: MIT
// Tasks of a pool of two processes: calls of a small function, per second; one call and its answer, microseconds; the start and end
// of a pool, milliseconds.
//
// pool polyproc map_chunk_1|map|imap_unordered|round_trip|start
#include <polyproc/pool/pool.hpp>
#include <polyproc/process/init.hpp>

#include <cstdint>
#include <numeric>
#include <ranges>
#include <vector>

#include "harness.hpp"

namespace bench {
namespace {

constexpr int kProcesses = 2;

std::int64_t twice(std::int64_t x) { return 2 * x; }

void expect_sum(std::int64_t sum, std::uint64_t count) {
  const auto n = static_cast<std::int64_t>(count);
  if (sum != n * (n - 1)) throw std::runtime_error(fmt::format("{} tasks gave {}", count, sum));
}

double map_seconds(polyproc::Pool& pool, std::uint64_t count, std::size_t chunk_size) {
  const auto numbers = std::views::iota(std::int64_t{0}, static_cast<std::int64_t>(count));
  const std::uint64_t begin = now_ns();
  const auto all = pool.map(twice, numbers, {.chunk_size = chunk_size});
  const std::int64_t sum = std::accumulate(all.begin(), all.end(), std::int64_t{0});
  const std::uint64_t end = now_ns();
  expect_sum(sum, count);
  return seconds_between(begin, end);
}

double unordered_seconds(polyproc::Pool& pool, std::uint64_t count) {
  const auto numbers = std::views::iota(std::int64_t{0}, static_cast<std::int64_t>(count));
  const std::uint64_t begin = now_ns();
  std::int64_t sum = 0;
  for (const std::int64_t each : pool.imap_unordered(twice, numbers)) sum += each;
  const std::uint64_t end = now_ns();
  expect_sum(sum, count);
  return seconds_between(begin, end);
}

double round_trip_us(polyproc::Pool& pool, double seconds) {
  std::vector<double> samples;
  const std::uint64_t begin = now_ns();
  for (std::int64_t i = 0; seconds_between(begin, now_ns()) < seconds; ++i) {
    const std::uint64_t asked = now_ns();
    if (pool.apply(twice, i) != 2 * i) throw std::runtime_error("a wrong result");
    if (i > 50) samples.push_back(1e-3 * static_cast<double>(now_ns() - asked));
  }
  return median(samples);
}

double start_ms(double seconds) {
  std::vector<double> samples;
  const std::uint64_t begin = now_ns();
  do {
    const std::uint64_t started = now_ns();
    {
      polyproc::Pool pool(kProcesses);
      if (pool.apply(twice, std::int64_t{4}) != 8) throw std::runtime_error("a wrong result");
    }
    samples.push_back(1e-6 * static_cast<double>(now_ns() - started));
  } while (seconds_between(begin, now_ns()) < seconds);
  return median(samples);
}

void run(const Arguments& arguments) {
  if (arguments.side() != "polyproc") throw std::invalid_argument("no such side");
  const std::string what = arguments.what();
  if (what == "start") return print_result(start_ms(arguments.seconds()), "ms");
  polyproc::Pool pool(kProcesses);
  (void)pool.map(twice, std::views::iota(std::int64_t{0}, std::int64_t{100}));
  if (what == "round_trip") return print_result(round_trip_us(pool, arguments.seconds()), "us");
  const auto seconds_of = [&](std::uint64_t count) {
    if (what == "map_chunk_1") return map_seconds(pool, count, 1);
    if (what == "map") return map_seconds(pool, count, 0);
    if (what == "imap_unordered") return unordered_seconds(pool, count);
    throw std::invalid_argument("map_chunk_1, map, imap_unordered, round_trip or start");
  };
  print_result(calibrated_rate(what == "map" ? 1'000'000 : 20'000, arguments.seconds(), seconds_of),
               "task/s");
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  polyproc::init(argc, argv);
  return bench::run_program(argc, argv, bench::run);
}
