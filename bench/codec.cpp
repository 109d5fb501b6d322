// SPDX-License-Identifier: MIT
// One value to bytes and back, in nanoseconds. Each side has one buffer that it uses again, and makes a new value.
//
// codec polyproc|msgpack int|string|struct|floats|dict
#include <map>
#include <string>
#include <vector>

#include <polyproc/codec/codec.hpp>

#include "harness.hpp"

#ifdef POLYPROC_BENCH_MSGPACK
#define MSGPACK_NO_BOOST
#include <msgpack.hpp>
#endif

namespace bench {

struct Item {
  int id;
  std::string name;
  double price;
  bool sold;
  std::vector<int> parts;
  friend bool operator==(const Item&, const Item&) = default;
#ifdef POLYPROC_BENCH_MSGPACK
  MSGPACK_DEFINE(id, name, price, sold, parts)
#endif
};

namespace {

struct Polyproc {
  polyproc::Writer out;
  template <class T>
  T round_trip(const T& value) {
    out.clear();
    polyproc::encode_pickle(value, out);
    return polyproc::decode_pickle<T>(out.bytes());
  }
};

#ifdef POLYPROC_BENCH_MSGPACK
struct Msgpack {
  msgpack::sbuffer out;
  template <class T>
  T round_trip(const T& value) {
    out.clear();
    msgpack::pack(out, value);
    return msgpack::unpack(out.data(), out.size()).get().template as<T>();
  }
};
#endif

template <class T>
void keep(const T& value) {
  asm volatile("" : : "r"(&value) : "memory");
}

template <class Side, class T>
void measure(const T& value, double seconds) {
  Side side;
  if (!(side.round_trip(value) == value)) throw std::runtime_error("the value has changed");
  const double rate = timed_rate(100, seconds, [&] {
    keep(value);
    keep(side.round_trip(value));
  });
  print_result(1e9 / rate, "ns");
}

template <class Side>
void run(const Arguments& arguments) {
  const std::string what = arguments.what("int");
  const double seconds = arguments.seconds();
  if (what == "int") return measure<Side>(123456, seconds);
  if (what == "string") return measure<Side>(std::string(100, 'x'), seconds);
  if (what == "struct") return measure<Side>(Item{7, "name of it", 1.5, true, {1, 2, 3}}, seconds);
  if (what == "floats") {
    std::vector<double> all(1000);
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<double>(i) * 0.5;
    return measure<Side>(all, seconds);
  }
  if (what != "dict") throw std::invalid_argument("unknown value " + what);
  std::map<std::string, int> all;
  for (int i = 0; i < 100; ++i) all.emplace("key number " + std::to_string(i), i);
  measure<Side>(all, seconds);
}

void choose(const Arguments& arguments) {
  if (arguments.side() == "polyproc") return run<Polyproc>(arguments);
  if (arguments.side() != "msgpack") throw std::invalid_argument("unknown side " + arguments.side());
#ifdef POLYPROC_BENCH_MSGPACK
  run<Msgpack>(arguments);
#else
  throw Skip("msgpack-cxx is not installed");
#endif
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::run_program(argc, argv, bench::choose); }
