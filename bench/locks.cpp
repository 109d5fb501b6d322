// SPDX-License-Identifier: MIT
// Locking and unlocking alone, and around the increment of a shared number by one and by several processes.
//
// locks polyproc|robust_mutex pair|increment [processes=1]
#include <mutex>
#include <optional>

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

class RobustMutexCounter {
 public:
  void increment() {
    const std::scoped_lock guard(state_->mutex);
    volatile std::int64_t& number = state_->number;
    number = number + 1;
  }
  [[nodiscard]] std::int64_t get() const { return state_->number; }

 private:
  struct State {
    RobustMutex mutex;
    std::int64_t number = 0;
  };
  Shared<State> state_;
};

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

void run(const Arguments& arguments) {
  const bool ours = arguments.side() == "polyproc";
  if (!ours && arguments.side() != "robust_mutex") throw std::invalid_argument("no such side");
  if (arguments.what() == "increment") {
    return ours ? measure_increments<PolyprocCounter>(arguments)
                : measure_increments<RobustMutexCounter>(arguments);
  }
  if (arguments.what() != "pair") throw std::invalid_argument("pair or increment");
  if (ours) {
    polyproc::Lock lock;
    return measure_pairs(lock, arguments.seconds());
  }
  Shared<RobustMutex> mutex;
  measure_pairs(*mutex, arguments.seconds());
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::run_program(argc, argv, bench::run); }
