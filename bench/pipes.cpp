// SPDX-License-Identifier: MIT
// Messages of bytes through one pipe between two forked processes: per second one way, or microseconds, median, there and
// back. A message that is missing, torn or out of order is an error, not a figure.
//
// pipes polyproc|socket throughput|round_trip [size=8]
#include <polyproc/channel/connection.hpp>

#include "channel.hpp"
#include "children.hpp"
#include "peers/bare_socket.hpp"

namespace bench {
namespace {

struct PolyprocPipe {
  static auto make_pair(std::size_t /*size*/, bool duplex) {
    return polyproc::ByteConnection::make_pair(duplex);
  }
};
struct SocketPipe {
  static auto make_pair(std::size_t size, bool /*duplex*/) { return BareSocket::make_pair(size); }
};

struct Outcome {
  Gate gate;
  double median_us = 0;
};

template <class End>
void produce(const End& end, std::size_t size, std::uint64_t count, Gate& gate) {
  std::vector<std::byte> message(size);
  gate.pass(2);
  for (std::uint64_t i = 1; i <= count; ++i) {
    write_stamp(message, make_stamp(0, i));
    end.send_bytes(message);
  }
}

template <class End>
void consume(const End& end, std::size_t size, std::uint64_t count, Gate& gate) {
  OrderCheck check(true);
  gate.pass(2);
  for (std::uint64_t i = 1; i <= count; ++i) {
    const auto message = end.recv_bytes();
    if (message.size() != size) throw std::runtime_error("a message of another length");
    check.take(read_stamp(message));
  }
  gate.finish();
}

template <class Pipe>
double transfer(std::size_t size, std::uint64_t count) {
  const auto [receiving, sending] = Pipe::make_pair(size, false);
  Shared<Gate> gate;
  Children children(Placement::free);
  children.start([&, &receiving = receiving] { consume(receiving, size, count, *gate); });
  children.start([&, &sending = sending] { produce(sending, size, count, *gate); });
  children.wait();
  return gate->seconds();
}

template <class End>
void answer(const End& end) {
  for (auto message = end.recv_bytes(); read_stamp(message) != kEnd; message = end.recv_bytes())
    end.send_bytes(message);
}

template <class End>
void ask(const End& end, std::size_t size, double seconds, Outcome& outcome) {
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

template <class Pipe>
double round_trip(std::size_t size, double seconds) {
  const auto [here, there] = Pipe::make_pair(size, true);
  Shared<Outcome> outcome;
  Children children(Placement::free);
  children.start([&, &there = there] { answer(there); });
  children.start([&, &here = here] { ask(here, size, seconds, *outcome); });
  children.wait();
  return outcome->median_us;
}

template <class Pipe>
void measure(const Arguments& arguments) {
  const std::size_t size = arguments.count("size", 8);
  if (arguments.what() == "round_trip")
    return print_result(round_trip<Pipe>(size, arguments.seconds()), "us");
  const std::uint64_t first = std::max<std::uint64_t>(20, 20'000'000 / (1000 + size));
  const auto transfer_of = [&](std::uint64_t count) { return transfer<Pipe>(size, count); };
  print_result(calibrated_rate(first, arguments.seconds(), transfer_of), "msg/s");
}

void run(const Arguments& arguments) {
  return arguments.side() == "socket" ? measure<SocketPipe>(arguments) : measure<PolyprocPipe>(arguments);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::run_program(argc, argv, bench::run); }
