// SPDX-License-Identifier: MIT
// A number to another process, which waits for many queues at once, and back: microseconds, median.
//
// waiting polyproc [queues=1000]
#include <polyproc/channel/queue.hpp>
#include <polyproc/sync/wait.hpp>

#include <vector>

#include "children.hpp"

namespace bench {
namespace {

using Queues = std::vector<polyproc::Queue<std::uint64_t>>;
constexpr std::uint64_t kEnd = 0;

void answer(Queues& queues, polyproc::Queue<std::uint64_t> back) {
  const polyproc::Waitables all(queues);
  for (;;) {
    for (const std::size_t ready : polyproc::wait(all)) {
      const auto number = queues[ready].try_get();
      if (number == kEnd) return;
      if (number) back.put(*number);
    }
  }
}

double ask(Queues& queues, polyproc::Queue<std::uint64_t> back, double seconds) {
  std::vector<double> samples;
  const std::uint64_t begin = now_ns();
  for (std::uint64_t i = 1; seconds_between(begin, now_ns()) < seconds; ++i) {
    const std::uint64_t asked = now_ns();
    queues[i * 7 % queues.size()].put(i);
    if (back.get() != i) throw std::runtime_error("the answer to another question");
    if (i > 200) samples.push_back(1e-3 * static_cast<double>(now_ns() - asked));
  }
  queues[0].put(kEnd);
  return median(samples);
}

void run(const Arguments& arguments) {
  Queues queues(arguments.count("queues", 1000));
  polyproc::Queue<std::uint64_t> back;
  Shared<double> outcome;
  Children children(Placement::free);
  children.start([&] { answer(queues, back); });
  children.start([&] { *outcome = ask(queues, back, arguments.seconds()); });
  children.wait();
  print_result(*outcome, "us");
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::run_program(argc, argv, bench::run); }
