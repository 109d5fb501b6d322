// SPDX-License-Identifier: MIT
// Forked children of a benchmark: placed on processors, started together, and gone when their parent is done with them,
// whatever happens.
#pragma once

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <exception>
#include <vector>

#include "harness.hpp"

namespace bench {

enum class Placement { free, two_cores, one_core };

[[nodiscard]] inline Placement parse_placement(const std::string& text) {
  if (text == "free") return Placement::free;
  if (text == "2_cores") return Placement::two_cores;
  if (text == "1_core") return Placement::one_core;
  throw std::invalid_argument("no placement: " + text);
}

[[nodiscard]] inline std::vector<int> usable_cpus() {
  cpu_set_t set;
  check(::sched_getaffinity(0, sizeof set, &set) == 0, "sched_getaffinity");
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

inline void pin_to(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  check(::sched_setaffinity(0, sizeof set, &set) == 0, "sched_setaffinity");
}

// Children of this process, which end with it. wait() throws when one fails or the time is over; whoever is left is
// killed, by its id, at the latest by the destructor.
class Children {
 public:
  explicit Children(Placement placement = Placement::free) : placement_(placement), cpus_(usable_cpus()) {
    if (placement == Placement::two_cores && cpus_.size() < 2) throw Skip("needs two processors");
  }
  Children(const Children&) = delete;
  Children& operator=(const Children&) = delete;
  ~Children() {
    for (const Child& child : running_) end(child);
  }

  template <class Body>
  pid_t start(Body body) {
    std::fflush(nullptr);
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    check(pid >= 0, "fork");
    if (pid == 0) run(parent, body);
    const int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    if (fd < 0) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
      throw std::system_error(errno, std::generic_category(), "pidfd_open");
    }
    running_.push_back({pid, fd});
    ++started_;
    return pid;
  }

  // Until all have ended well.
  void wait() {
    const std::uint64_t deadline = now_ns() + kLimitSeconds * 1'000'000'000ull;
    while (!running_.empty()) {
      std::vector<pollfd> ends;
      for (const Child& child : running_) ends.push_back({child.fd, POLLIN, 0});
      const std::uint64_t now = now_ns();
      if (now >= deadline) throw std::runtime_error("children of the benchmark did not end in time");
      const int ready = ::poll(ends.data(), ends.size(), static_cast<int>((deadline - now) / 1'000'000) + 1);
      check(ready >= 0 || errno == EINTR, "poll");
      for (std::size_t i = ends.size(); ready > 0 && i-- > 0;) {
        if (ends[i].revents != 0) collect(i);
      }
    }
  }

 private:
  struct Child {
    pid_t pid;
    int fd;
  };
  static constexpr unsigned kLimitSeconds = 30;

  template <class Body>
  [[noreturn]] void run(pid_t parent, Body& body) {
    int status = 1;
    try {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(1);
      ::alarm(kLimitSeconds + 5);
      place();
      body();
      status = 0;
    } catch (const std::exception& error) {
      fmt::print(stderr, "child: {}\n", error.what());
    }
    std::fflush(nullptr);
    ::_exit(status);
  }

  void place() const {
    if (placement_ == Placement::two_cores) pin_to(cpus_[started_ % 2]);
    if (placement_ == Placement::one_core) pin_to(cpus_[0]);
  }

  void collect(std::size_t index) {
    const Child child = running_[index];
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(index));
    int status = 0;
    const pid_t got = ::waitpid(child.pid, &status, 0);
    ::close(child.fd);
    check(got == child.pid, "waitpid");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      throw std::runtime_error(fmt::format("a child of the benchmark failed, wait status {:#x}", status));
    }
  }

  static void end(const Child& child) noexcept {
    ::kill(child.pid, SIGKILL);
    ::waitpid(child.pid, nullptr, 0);
    ::close(child.fd);
  }

  Placement placement_;
  std::vector<int> cpus_;
  std::vector<Child> running_;
  std::size_t started_ = 0;
};

// Opens when `count` processes have come to it. Lies in Shared.
struct Gate {
  std::atomic<std::uint64_t> opened_at{0};
  std::atomic<std::uint64_t> last_end{0};
  std::atomic<std::uint32_t> arrived{0};
  std::atomic<std::uint32_t> finished{0};

  void pass(std::uint32_t count) noexcept {
    if (arrived.fetch_add(1) + 1 == count) opened_at = now_ns();
    while (opened_at.load() == 0) ::sched_yield();
  }
  // Who has done its part says so at once.
  void finish() noexcept {
    const std::uint64_t now = now_ns();
    for (std::uint64_t last = last_end; last < now && !last_end.compare_exchange_weak(last, now);) {
    }
    ++finished;
  }
  void wait_for_finished(std::uint32_t count) const noexcept {
    while (finished.load() < count) ::usleep(500);
  }
  [[nodiscard]] double seconds() const noexcept { return seconds_between(opened_at, last_end); }
};

}  // namespace bench
