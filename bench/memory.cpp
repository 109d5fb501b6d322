// SPDX-License-Identifier: MIT
// What polyproc costs while nothing happens: memory, waiters' processor time; and how long a killed owner keeps others
// from a lock.
//
// memory polyproc first_queue|empty_queue|drained_queue|killed_owner
// memory polyproc queue_waiters|lock_waiters|semaphore_waiters|event_waiters|condition_waiters|barrier_waiters
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <fstream>
#include <memory>
#include <mutex>

#include <polyproc/channel/queue.hpp>
#include <polyproc/sync/barrier.hpp>
#include <polyproc/sync/condition.hpp>
#include <polyproc/sync/event.hpp>
#include <polyproc/sync/lock.hpp>
#include <polyproc/sync/semaphore.hpp>

#include "children.hpp"

namespace bench {
namespace {

using Queue = polyproc::Queue<std::uint64_t>;

// ---- memory

std::string link_target(const std::string& path) {
  std::array<char, 256> text{};
  const ssize_t length = ::readlink(path.c_str(), text.data(), text.size());
  return length < 0 ? std::string() : std::string(text.data(), static_cast<std::size_t>(length));
}

// Bytes of memory behind the memfds that this process has open, touched by it or not.
double shared_bytes() {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc/self/fd"), &::closedir);
  check(folder != nullptr, "opendir");
  double bytes = 0;
  while (const dirent* entry = ::readdir(folder.get())) {
    const std::string path = std::string("/proc/self/fd/") + entry->d_name;
    struct stat status {};
    if (!link_target(path).starts_with("/memfd:") || ::stat(path.c_str(), &status) != 0) continue;
    bytes += 512.0 * static_cast<double>(status.st_blocks);
  }
  return bytes;
}

double private_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    double kilobytes = 0;
    if (word == "RssAnon:" && status >> kilobytes) return 1024 * kilobytes;
  }
  throw std::runtime_error("/proc/self/status has no RssAnon");
}

double resident_bytes() { return shared_bytes() + private_bytes(); }

void first_queue() {
  const double before = resident_bytes();
  const Queue queue;
  if (shared_bytes() == 0) throw std::runtime_error("found no memory of an arena: this measurement is wrong");
  print_result((resident_bytes() - before) / 1024, "KiB");
}

void empty_queue() {
  constexpr int kQueues = 64;
  std::vector<Queue> queues;
  queues.reserve(kQueues + 1);
  queues.emplace_back();  // the arena
  const double before = resident_bytes();
  for (int i = 0; i < kQueues; ++i) queues.emplace_back();
  print_result((resident_bytes() - before) / kQueues / 1024, "KiB");
}

void drained_queue() {
  constexpr std::uint64_t kItems = 10'000'000;
  Queue queue;
  const double before = resident_bytes();
  for (std::uint64_t i = 0; i < kItems; ++i) queue.put(i);
  const double held = resident_bytes() - before;
  if (queue.qsize() != kItems || held < 8.0 * kItems)
    throw std::runtime_error("the queue does not hold them");
  for (std::uint64_t i = 0; i < kItems; ++i) {
    if (queue.get() != i) throw std::runtime_error("an item out of order");
  }
  print_result((resident_bytes() - before) / (1 << 20), "MiB");
}

// ---- waiters

// Nanoseconds that the process has run.
double processor_time(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/schedstat", pid));
  double run = 0;
  if (!(file >> run)) throw Skip("the kernel has no schedstat");
  return run;
}

bool sleeps(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string line;
  std::getline(file, line);
  const std::size_t name_end = line.rfind(") ");
  return name_end != std::string::npos && line.substr(name_end + 2, 1) == "S";
}

void wait_until_asleep(pid_t pid) {
  while (!sleeps(pid)) ::sched_yield();
}

// Share of one core that eight waiters take over two seconds.
template <class Wait, class Release>
void measure_waiters(Wait wait, Release release) {
  constexpr int kWaiters = 8;
  Children children;
  std::vector<pid_t> waiters;
  for (int i = 0; i < kWaiters; ++i) waiters.push_back(children.start(wait));
  for (const pid_t pid : waiters) wait_until_asleep(pid);
  const auto total = [&] {
    double sum = 0;
    for (const pid_t pid : waiters) sum += processor_time(pid);
    return sum;
  };
  const double before = total();
  const std::uint64_t begin = now_ns();
  ::usleep(2'000'000);
  const double share = (total() - before) / static_cast<double>(now_ns() - begin);
  for (int i = 0; i < kWaiters; ++i) release();
  children.wait();
  print_result(100 * share, "% of a core");
}

void queue_waiters() {
  Queue queue;
  measure_waiters([&] { (void)queue.get(); }, [&] { queue.put(1); });
}

void lock_waiters() {
  polyproc::Lock lock;
  lock.lock();
  bool held = true;
  measure_waiters(
      [&] {
        lock.lock();
        lock.unlock();
      },
      [&] {
        if (std::exchange(held, false)) lock.unlock();
      });
}

void semaphore_waiters() {
  polyproc::Semaphore semaphore(0);
  measure_waiters([&] { semaphore.acquire(); }, [&] { semaphore.release(); });
}

void event_waiters() {
  polyproc::Event event;
  measure_waiters([&] { event.wait(); }, [&] { event.set(); });
}

void condition_waiters() {
  polyproc::Condition condition;
  Shared<bool> go;
  const auto wait = [&] {
    const std::scoped_lock guard(condition);
    condition.wait([&] { return *go; });
  };
  const auto release = [&] {
    const std::scoped_lock guard(condition);
    *go = true;
    condition.notify_all();
  };
  measure_waiters(wait, release);
}

void barrier_waiters() {
  polyproc::Barrier barrier(9);
  bool waited = false;
  measure_waiters([&] { (void)barrier.wait(); },
                  [&] {
                    if (!std::exchange(waited, true)) (void)barrier.wait();
                  });
}

// ---- a killed owner

struct Handover {
  std::atomic<bool> held{false};
  std::atomic<bool> waits{false};
  std::atomic<std::uint64_t> went_on{0};
};

double killed_owner_once() {
  polyproc::Lock lock;
  Shared<Handover> handover;
  Children waiters;
  {
    Children owners;
    const pid_t owner = owners.start([&] {
      lock.lock();
      handover->held = true;
      for (;;) ::pause();
    });
    while (!handover->held) ::sched_yield();
    const pid_t waiter = waiters.start([&] {
      handover->waits = true;
      if (lock.acquire_checked() != polyproc::Acquired::owner_died)
        throw std::runtime_error("no death was reported");
      handover->went_on = now_ns();
      lock.release();
    });
    while (!handover->waits) ::sched_yield();
    wait_until_asleep(waiter);
    const std::uint64_t killed = now_ns();
    ::kill(owner, SIGKILL);
    waiters.wait();
    return 1e-6 * static_cast<double>(handover->went_on - killed);
  }
}

void killed_owner() {
  constexpr int kTimes = 20;
  std::vector<double> times;
  for (int i = 0; i < kTimes; ++i) times.push_back(killed_owner_once());
  print_result(*std::max_element(times.begin(), times.end()), "ms");
}

void run(const Arguments& arguments) {
  if (arguments.side() != "polyproc") throw std::invalid_argument("no such side");
  const std::string what = arguments.what();
  if (what == "first_queue") return first_queue();
  if (what == "empty_queue") return empty_queue();
  if (what == "drained_queue") return drained_queue();
  if (what == "queue_waiters") return queue_waiters();
  if (what == "lock_waiters") return lock_waiters();
  if (what == "semaphore_waiters") return semaphore_waiters();
  if (what == "event_waiters") return event_waiters();
  if (what == "condition_waiters") return condition_waiters();
  if (what == "barrier_waiters") return barrier_waiters();
  if (what == "killed_owner") return killed_owner();
  throw std::invalid_argument("no such measurement");
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::run_program(argc, argv, bench::run); }
