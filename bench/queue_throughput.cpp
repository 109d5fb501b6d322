// SPDX-License-Identifier: MIT
// Messages per second through one queue, between forked processes. A message that is lost, doubled, torn or out of its
// producer's order is an error, not a figure.
//
// queue_throughput polyproc[_many|_string|_struct|_doubles]|boost|zmq [free|2_cores|1_core] [size=8] [producers=1] [consumers=1] [bound=0]
#include "channel.hpp"
#include "children.hpp"
#include "polyproc_channel.hpp"
#if POLYPROC_BENCH_BOOST
#include "peers/boost_queue.hpp"
#endif
#if POLYPROC_BENCH_ZMQ
#include "peers/zmq_queue.hpp"
#endif

namespace bench {
namespace {

struct Plan {
  Shape shape;
  Placement placement;
  double seconds;
};

struct Traffic {
  Gate gate;
  std::atomic<std::uint32_t> producers_done{0};
  std::atomic<std::uint64_t> sum{0};
};

template <class Channel>
void produce(Channel& channel, const Shape& shape, std::uint32_t producer, std::uint64_t count,
             Traffic& traffic) {
  auto sender = channel.sender(producer);
  traffic.gate.pass(shape.producers + shape.consumers);
  for (std::uint64_t i = 1; i <= count; ++i) sender.put(make_stamp(producer, i));
  sender.end(++traffic.producers_done == shape.producers);
  traffic.gate.wait_for_finished(shape.consumers);  // a library may drop what its sender leaves unread
}

template <class Channel>
void consume(Channel& channel, const Shape& shape, std::uint32_t consumer, Traffic& traffic) {
  auto receiver = channel.receiver(consumer);
  OrderCheck check(shape.consumers == 1);
  traffic.gate.pass(shape.producers + shape.consumers);
  for (std::uint32_t ends = receiver.ends(); ends > 0;) {
    const Stamp stamp = receiver.get();
    if (stamp == kEnd)
      --ends;
    else
      check.take(stamp);
  }
  traffic.gate.finish();
  traffic.sum += check.sum();
}

// The seconds from the start of all until the last message was got.
template <class Channel>
double transfer(const Plan& plan, std::uint64_t count) {
  const Shape& shape = plan.shape;
  const std::uint64_t each = std::max<std::uint64_t>(count / shape.producers, 1);
  Channel channel(shape);
  Shared<Traffic> traffic;
  Children children(plan.placement);
  for (std::uint32_t i = 0; i < shape.consumers; ++i) {
    children.start([&, i] { consume(channel, shape, i, *traffic); });
  }
  for (std::uint32_t i = 0; i < shape.producers; ++i) {
    children.start([&, i] { produce(channel, shape, i, each, *traffic); });
  }
  children.wait();
  const std::uint64_t expected = shape.producers * (each * (each + 1) / 2);
  if (traffic->sum != expected) {
    throw std::runtime_error(fmt::format("the messages add up to {}, not {}", traffic->sum.load(), expected));
  }
  return traffic->gate.seconds() * static_cast<double>(count) / static_cast<double>(each * shape.producers);
}

template <class Channel>
void measure(const Plan& plan) {
  const std::uint64_t first = std::max<std::uint64_t>(20, 20'000'000 / (1000 + plan.shape.size));
  const auto run = [&](std::uint64_t count) { return transfer<Channel>(plan, count); };
  print_result(calibrated_rate(first, plan.seconds, run), "msg/s");
}

template <template <class> class Channel>
void measure_polyproc(const Plan& plan) {
  switch (plan.shape.size) {
    case 8:
      return measure<Channel<std::uint64_t>>(plan);
    case 100:
      return measure<Channel<Record<100>>>(plan);
    case 1024:
      return measure<Channel<Record<1024>>>(plan);
    default:
      break;
  }
  if constexpr (std::is_same_v<Channel<std::string>, PolyprocChannel<std::string>>) {
    return measure<Channel<std::string>>(plan);
  }
  throw Skip("no batches of messages of this size");
}

void run(const Arguments& arguments) {
  const Plan plan{.shape = {.size = arguments.count("size", 8),
                            .producers = static_cast<std::uint32_t>(arguments.count("producers", 1)),
                            .consumers = static_cast<std::uint32_t>(arguments.count("consumers", 1)),
                            .bound = arguments.count("bound", 0)},
                  .placement = parse_placement(arguments.what("free")),
                  .seconds = arguments.seconds()};
  if (arguments.side() == "polyproc") return measure_polyproc<PolyprocChannel>(plan);
  if (arguments.side() == "polyproc_string") return measure<PolyprocChannel<std::string>>(plan);
  if (arguments.side() == "polyproc_struct") return measure<PolyprocChannel<Order>>(plan);
  if (arguments.side() == "polyproc_doubles") return measure<PolyprocChannel<std::vector<double>>>(plan);
  if (arguments.side() == "polyproc_many") return measure_polyproc<PolyprocBatchChannel>(plan);
#if POLYPROC_BENCH_BOOST
  if (arguments.side() == "boost") return measure<BoostChannel>(plan);
#endif
#if POLYPROC_BENCH_ZMQ
  if (arguments.side() == "zmq") return measure<ZmqChannel>(plan);
#endif
  throw Skip("not installed when the benchmarks were built");
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::run_program(argc, argv, bench::run); }
