// SPDX-License-Identifier: MIT
// Locking and unlocking alone, by several processes at once, and around the increment of a shared number.
//
// locks polyproc|robust_mutex pair|increment|contended [processes=1]
// locks boost_mutex|boost_semaphore pair|contended [processes=1]
#include <mutex>
#include <optional>

#if POLYPROC_BENCH_BOOST
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/interprocess_semaphore.hpp>
#endif
#include <polyproc/shared/value.hpp>
#include <polyproc/sync/lock.hpp>

#include "children.hpp"
#include "peers/robust_mutex.hpp"

namespace bench {
namespace {

class PolyprocCounter {
 public:
  void increment() {
    const std::scoped_lock guard(value_.get_lock());
    value_ = value_ + 1;
  }
  [[nodiscard]] std::int64_t get() const { return value_; }

 private:
  polyproc::Value<std::int64_t> value_{0};
};

// A number beside a lock of one of the peers, or a Lock, whose handle each process copies.
template <class Lock>
class LockedNumber {
 public:
  void increment() {
    const std::scoped_lock guard(state_->lock);
    volatile std::int64_t& number = state_->number;
    number = number + 1;
  }
  [[nodiscard]] std::int64_t get() const { return state_->number; }

 private:
  struct State {
    Lock lock;
    std::int64_t number = 0;
  };
  Shared<State> state_;
};

#if POLYPROC_BENCH_BOOST
class BoostSemaphore {
 public:
  void lock() { semaphore_.wait(); }
  void unlock() { semaphore_.post(); }

 private:
  boost::interprocess::interprocess_semaphore semaphore_{1};
};
#endif

template <class Counter>
double increment_seconds(std::uint32_t processes, std::uint64_t count) {
  const std::uint64_t each = count / processes;
  Counter counter;
  Shared<Gate> gate;
  Children children;
  for (std::uint32_t i = 0; i < processes; ++i) {
    children.start([&] {
      gate->pass(processes);
      for (std::uint64_t k = 0; k < each; ++k) counter.increment();
      gate->finish();
    });
  }
  children.wait();
  if (counter.get() != static_cast<std::int64_t>(each * processes)) {
    throw std::runtime_error(fmt::format("{} increments made {}", each * processes, counter.get()));
  }
  return gate->seconds();
}

template <class Counter>
void measure_increments(const Arguments& arguments) {
  const auto processes = static_cast<std::uint32_t>(arguments.count("processes", 1));
  const auto run = [&](std::uint64_t count) { return increment_seconds<Counter>(processes, count); };
  print_result(calibrated_rate(100'000, arguments.seconds(), run), "op/s");
}

template <class Lock>
void measure_pairs(Lock& lock, double seconds) {
  const auto pair = [&] {
    lock.lock();
    lock.unlock();
  };
  print_result(1e9 / timed_rate(1000, seconds, pair), "ns");
}

template <class Lock>
void measure_lock(const Arguments& arguments) {
  if (arguments.what() != "pair") return measure_increments<LockedNumber<Lock>>(arguments);
  Shared<Lock> lock;
  measure_pairs(*lock, arguments.seconds());
}

void run(const Arguments& arguments) {
  const std::string& side = arguments.side();
  const std::string what = arguments.what();
  if (what != "pair" && what != "increment" && what != "contended")
    throw std::invalid_argument("pair, increment or contended");
  if (side == "polyproc" && what == "increment") return measure_increments<PolyprocCounter>(arguments);
  if (side == "polyproc") return measure_lock<polyproc::Lock>(arguments);
  if (side == "robust_mutex") return measure_lock<RobustMutex>(arguments);
#if POLYPROC_BENCH_BOOST
  if (side == "boost_mutex") return measure_lock<boost::interprocess::interprocess_mutex>(arguments);
  if (side == "boost_semaphore") return measure_lock<BoostSemaphore>(arguments);
#endif
  throw Skip("no such side, or not installed when the benchmarks were built");
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::run_program(argc, argv, bench::run); }
