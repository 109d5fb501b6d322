// SPDX-License-Identifier: MIT
// Two processes that wait for each other in turn: microseconds for there and back, median; for a barrier, from one passage to the next.
//
// handover polyproc|boost|pthread semaphore|event|condition|barrier
#include <pthread.h>

#include <mutex>
#include <vector>

#if POLYPROC_BENCH_BOOST
#include <boost/interprocess/sync/interprocess_condition.hpp>
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/interprocess_semaphore.hpp>
#include <boost/interprocess/sync/scoped_lock.hpp>
#endif
#include <polyproc/sync/barrier.hpp>
#include <polyproc/sync/condition.hpp>
#include <polyproc/sync/event.hpp>
#include <polyproc/sync/semaphore.hpp>

#include "children.hpp"

namespace bench {
namespace {

constexpr std::uint64_t kWarmUp = 200;

template <class Semaphore>
class Semaphores {
 public:
  void ask() { up(there_), down(back_); }
  void answer() { down(there_), up(back_); }

 private:
  static void up(Semaphore& its) {
    if constexpr (requires { its.release(); })
      its.release();
    else
      its.post();
  }
  static void down(Semaphore& its) {
    if constexpr (requires { its.release(); })
      its.acquire();
    else
      its.wait();
  }
  Semaphore there_{0};
  Semaphore back_{0};
};

class Events {
 public:
  void ask() { there_.set(), take(back_); }
  void answer() { take(there_), back_.set(); }

 private:
  static void take(polyproc::Event& event) { event.wait(), event.clear(); }
  polyproc::Event there_;
  polyproc::Event back_;
};

class PolyprocTurns {
 public:
  void ask() { pass(1, 0); }
  void answer() { take(1, 0); }

 private:
  void pass(int next, int awaited) {
    const std::scoped_lock guard(changed_);
    *turn_ = next;
    changed_.notify();
    changed_.wait([&] { return *turn_ == awaited; });
  }
  void take(int awaited, int next) {
    const std::scoped_lock guard(changed_);
    changed_.wait([&] { return *turn_ == awaited; });
    *turn_ = next;
    changed_.notify();
  }
  polyproc::Condition changed_;
  Shared<int> turn_;
};

#if POLYPROC_BENCH_BOOST
class BoostTurns {
 public:
  void ask() {
    Lock guard(mutex_);
    turn_ = 1;
    changed_.notify_one();
    while (turn_ != 0) changed_.wait(guard);
  }
  void answer() {
    Lock guard(mutex_);
    while (turn_ != 1) changed_.wait(guard);
    turn_ = 0;
    changed_.notify_one();
  }

 private:
  using Lock = boost::interprocess::scoped_lock<boost::interprocess::interprocess_mutex>;
  boost::interprocess::interprocess_mutex mutex_;
  boost::interprocess::interprocess_condition changed_;
  int turn_ = 0;
};
#endif

class PolyprocBarrier {
 public:
  void ask() { (void)barrier_.wait(); }
  void answer() { (void)barrier_.wait(); }

 private:
  polyproc::Barrier barrier_{2};
};

class PthreadBarrier {
 public:
  PthreadBarrier() {
    pthread_barrierattr_t attributes;
    ::pthread_barrierattr_init(&attributes);
    ::pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    errno = ::pthread_barrier_init(&barrier_, &attributes, 2);
    check(errno == 0, "pthread_barrier_init");
  }
  void ask() { ::pthread_barrier_wait(&barrier_); }
  void answer() { ::pthread_barrier_wait(&barrier_); }

 private:
  pthread_barrier_t barrier_;
};

struct Outcome {
  Gate gate;
  std::atomic<std::uint64_t> rounds{UINT64_MAX};  // until the last one is known
  double median_us = 0;
};

template <class Exchange>
void measure(double seconds) {
  Shared<Exchange> exchange;
  Shared<Outcome> outcome;
  Children children(Placement::free);
  children.start([&] {
    outcome->gate.pass(2);
    for (std::uint64_t i = 0; i < outcome->rounds.load(); ++i) exchange->answer();
  });
  children.start([&] {
    std::vector<double> samples;
    outcome->gate.pass(2);
    const std::uint64_t begin = now_ns();
    std::uint64_t i = 0;
    for (; i < 2 * kWarmUp || seconds_between(begin, now_ns()) < seconds; ++i) {
      const std::uint64_t asked = now_ns();
      exchange->ask();
      if (i > kWarmUp) samples.push_back(1e-3 * static_cast<double>(now_ns() - asked));
    }
    outcome->rounds = i + 1;
    exchange->ask();
    outcome->median_us = median(samples);
  });
  children.wait();
  print_result(outcome->median_us, "us");
}

void run(const Arguments& arguments) {
  const std::string& side = arguments.side();
  const std::string what = arguments.what();
  const double seconds = arguments.seconds();
  if (side == "polyproc") {
    if (what == "semaphore") return measure<Semaphores<polyproc::Semaphore>>(seconds);
    if (what == "event") return measure<Events>(seconds);
    if (what == "condition") return measure<PolyprocTurns>(seconds);
    if (what == "barrier") return measure<PolyprocBarrier>(seconds);
  }
  if (side == "pthread" && what == "barrier") return measure<PthreadBarrier>(seconds);
#if POLYPROC_BENCH_BOOST
  if (side == "boost" && what == "semaphore")
    return measure<Semaphores<boost::interprocess::interprocess_semaphore>>(seconds);
  if (side == "boost" && what == "condition") return measure<BoostTurns>(seconds);
#endif
  throw Skip("no such side, or not installed when the benchmarks were built");
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::run_program(argc, argv, bench::run); }
