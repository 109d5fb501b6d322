// SPDX-License-Identifier: MIT
// Microseconds, median, for a small message to another process and its answer, through two queues.
//
// round_trip polyproc|boost|zmq|futex|spin free|2_cores|1_core
#include "channel.hpp"
#include "children.hpp"
#include "peers/bare_word.hpp"
#include "polyproc_channel.hpp"
#if POLYPROC_BENCH_BOOST
#include "peers/boost_queue.hpp"
#endif
#if POLYPROC_BENCH_ZMQ
#include "peers/zmq_queue.hpp"
#endif

namespace bench {
namespace {

constexpr std::uint64_t kWarmUp = 200;
constexpr std::size_t kMostSamples = 400'000;

struct Outcome {
  Gate gate;
  double median_us = 0;
};

template <class Channel>
void ask(Channel& there, Channel& back, double seconds, Outcome& outcome) {
  auto sender = there.sender(0);
  auto receiver = back.receiver(0);
  std::vector<double> samples;
  samples.reserve(kMostSamples);
  outcome.gate.pass(2);
  const std::uint64_t begin = now_ns();
  for (std::uint64_t i = 1; samples.size() < kMostSamples; ++i) {
    const std::uint64_t asked = now_ns();
    sender.put(i);
    if (receiver.get() != i) throw std::runtime_error("the answer to another question");
    const std::uint64_t answered = now_ns();
    if (i > kWarmUp) samples.push_back(1e-3 * static_cast<double>(answered - asked));
    if (i > kWarmUp && seconds_between(begin, answered) > seconds) break;
  }
  sender.end(true);
  outcome.median_us = median(samples);
  outcome.gate.finish();
}

template <class Channel>
void answer(Channel& there, Channel& back, Outcome& outcome) {
  auto receiver = there.receiver(0);
  auto sender = back.sender(0);
  outcome.gate.pass(2);
  for (Stamp stamp = receiver.get(); stamp != kEnd; stamp = receiver.get()) sender.put(stamp);
  outcome.gate.finish();
}

template <class Channel>
void measure(Placement placement, double seconds) {
  const Shape shape{.bound = 16};
  Channel there(shape);
  Channel back(shape);
  Shared<Outcome> outcome;
  Children children(placement);
  children.start([&] { ask(there, back, seconds, *outcome), outcome->gate.wait_for_finished(2); });
  children.start([&] { answer(there, back, *outcome), outcome->gate.wait_for_finished(2); });
  children.wait();
  print_result(outcome->median_us, "us");
}

void run(const Arguments& arguments) {
  const Placement placement = parse_placement(arguments.what());
  const double seconds = arguments.seconds();
  if (arguments.side() == "polyproc") return measure<PolyprocChannel<std::uint64_t>>(placement, seconds);
  if (arguments.side() == "futex") return measure<BareWordChannel<true>>(placement, seconds);
  if (arguments.side() == "spin") {
    if (placement == Placement::one_core) throw Skip("two that never sleep cannot share a core");
    return measure<BareWordChannel<false>>(placement, seconds);
  }
#if POLYPROC_BENCH_BOOST
  if (arguments.side() == "boost") return measure<BoostChannel>(placement, seconds);
#endif
#if POLYPROC_BENCH_ZMQ
  if (arguments.side() == "zmq") return measure<ZmqChannel>(placement, seconds);
#endif
  throw Skip("not installed when the benchmarks were built");
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::run_program(argc, argv, bench::run); }
