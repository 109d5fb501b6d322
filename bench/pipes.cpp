// SPDX-License-Identifier: MIT
// Messages of bytes through one pipe between two forked processes: per second one way, or microseconds, median, there and
// back. A message that is missing, torn or out of order is an error, not a figure.
//
// pipes polyproc throughput|round_trip [size=8]
#include <polyproc/channel/connection.hpp>

#include "channel.hpp"
#include "children.hpp"

namespace bench {
namespace {

using polyproc::ByteConnection;

struct Outcome {
  Gate gate;
  double median_us = 0;
};

void produce(const ByteConnection& end, std::size_t size, std::uint64_t count, Gate& gate) {
  std::vector<std::byte> message(size);
  gate.pass(2);
  for (std::uint64_t i = 1; i <= count; ++i) {
    write_stamp(message, make_stamp(0, i));
    end.send_bytes(message);
  }
}

void consume(const ByteConnection& end, std::size_t size, std::uint64_t count, Gate& gate) {
  OrderCheck check(true);
  gate.pass(2);
  for (std::uint64_t i = 1; i <= count; ++i) {
    const std::vector<std::byte> message = end.recv_bytes();
    if (message.size() != size) throw std::runtime_error("a message of another length");
    check.take(read_stamp(message));
  }
  gate.finish();
}

double transfer(std::size_t size, std::uint64_t count) {
  const auto [receiving, sending] = ByteConnection::make_pair(false);
  Shared<Gate> gate;
  Children children(Placement::free);
  children.start([&] { consume(receiving, size, count, *gate); });
  children.start([&] { produce(sending, size, count, *gate); });
  children.wait();
  return gate->seconds();
}

void answer(const ByteConnection& end) {
  for (auto message = end.recv_bytes(); read_stamp(message) != kEnd; message = end.recv_bytes())
    end.send_bytes(message);
}

void ask(const ByteConnection& end, std::size_t size, double seconds, Outcome& outcome) {
  std::vector<std::byte> message(size);
  std::vector<double> samples;
  const std::uint64_t begin = now_ns();
  for (std::uint64_t i = 1; seconds_between(begin, now_ns()) < seconds; ++i) {
    const std::uint64_t asked = now_ns();
    write_stamp(message, i);
    end.send_bytes(message);
    if (read_stamp(end.recv_bytes()) != i) throw std::runtime_error("the answer to another question");
    if (i > 200) samples.push_back(1e-3 * static_cast<double>(now_ns() - asked));
  }
  write_stamp(message, kEnd);
  end.send_bytes(message);
  outcome.median_us = median(samples);
}

double round_trip(std::size_t size, double seconds) {
  const auto [here, there] = ByteConnection::make_pair(true);
  Shared<Outcome> outcome;
  Children children(Placement::free);
  children.start([&] { answer(there); });
  children.start([&] { ask(here, size, seconds, *outcome); });
  children.wait();
  return outcome->median_us;
}

void run(const Arguments& arguments) {
  const std::size_t size = arguments.count("size", 8);
  if (arguments.what() == "round_trip") return print_result(round_trip(size, arguments.seconds()), "us");
  const std::uint64_t first = std::max<std::uint64_t>(20, 20'000'000 / (1000 + size));
  const auto transfer_of = [&](std::uint64_t count) { return transfer(size, count); };
  print_result(calibrated_rate(first, arguments.seconds(), transfer_of), "msg/s");
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::run_program(argc, argv, bench::run); }
