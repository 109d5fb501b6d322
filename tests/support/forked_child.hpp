// SPDX-License-Identifier: MIT
// Children of tests by plain fork(), with a deadline, and a page of memory that they share with the test: nothing of
// the library under test is needed to watch it.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>
#include <thread>
#include <utility>

namespace polyproc::testing {

inline constexpr unsigned kChildSeconds = 50;

// Runs `body` in a forked child, which ends with 0, with 99 after an exception, or with what `body` returns. The
// destructor kills and reaps it.
class ForkedChild {
 public:
  template <class Body>
  explicit ForkedChild(Body body, unsigned seconds = kChildSeconds) : pid_(::fork()) {
    if (pid_ == 0) run(body, seconds);
  }
  ForkedChild(ForkedChild&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}
  ForkedChild& operator=(ForkedChild&& other) noexcept {
    std::swap(pid_, other.pid_);
    return *this;
  }
  ~ForkedChild() {
    if (pid_ <= 0) return;
    kill(SIGKILL);
    (void)join();
  }

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  void kill(int signal) const noexcept { ::kill(pid_, signal); }
  // The exit code; negative for the signal that ended it.
  int join() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) == -1 && errno == EINTR) {
    }
    pid_ = 0;
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
  }
  // Has it ended? It stays to be joined.
  [[nodiscard]] bool ended() const {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == pid_;
  }

 private:
  template <class Body>
  [[noreturn]] static void run(Body& body, unsigned seconds) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::alarm(seconds);
    int code = 0;
    try {
      if constexpr (std::is_void_v<decltype(body())>)
        body();
      else
        code = body();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "child: %s\n", error.what());
      code = 99;
    }
    std::fflush(nullptr);
    ::_exit(code);
  }

  pid_t pid_;
};

// A T in memory shared with all children forked later.
template <class T>
class SharedPage {
 public:
  SharedPage()
      : memory_(::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)),
        value_(new (memory_) T{}) {}
  SharedPage(const SharedPage&) = delete;
  SharedPage& operator=(const SharedPage&) = delete;
  ~SharedPage() { ::munmap(memory_, sizeof(T)); }
  T& operator*() const noexcept { return *value_; }
  T* operator->() const noexcept { return value_; }

 private:
  void* memory_;
  T* value_;
};

// Looks until `ready` or until the time is over.
template <class Ready>
[[nodiscard]] bool wait_until(Ready ready, std::chrono::milliseconds most = std::chrono::seconds(20)) {
  const auto end = std::chrono::steady_clock::now() + most;
  while (!ready()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return true;
}

// 'S' asleep, 'R' running, 'T' stopped, 'Z' ended ...
[[nodiscard]] inline char process_state(pid_t pid) {
  std::FILE* file = std::fopen(("/proc/" + std::to_string(pid) + "/stat").c_str(), "re");
  if (file == nullptr) return '?';
  char line[512] = {};
  const std::size_t got = std::fread(line, 1, sizeof line - 1, file);
  std::fclose(file);
  const std::string text(line, got);
  const auto name_end = text.rfind(") ");
  return name_end == std::string::npos ? '?' : text.at(name_end + 2);
}

// Until it sleeps in the kernel. Who may sleep for other reasons than the one meant must not be asked this way.
[[nodiscard]] inline bool wait_until_asleep(pid_t pid) {
  int seen = 0;
  return wait_until([&] { return (seen = process_state(pid) == 'S' ? seen + 1 : 0) >= 3; });
}

[[nodiscard]] inline double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace polyproc::testing
