// SPDX-License-Identifier: MIT
// Process: a function that runs in a process of its own.
//
//     void work(polyproc::Queue<int> queue, int last);
//
//     polyproc::Process p(work, queue, 10);
//     p.start();
//     p.join();
//     return *p.exitcode();
//
// Under fork the function may be any callable, under spawn see transfer.hpp. At exit of the program the daemons among
// its children are terminated and the others joined. Children end without running the parent's static destructors.
//
// Only the process that made a Process may use it; in others its methods throw UsageError. All methods may be called
// by several threads at once.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <polyproc/os/deadline.hpp>
#include <polyproc/process/exit.hpp>
#include <polyproc/process/start_method.hpp>
#include <polyproc/process/target.hpp>

namespace polyproc::inline v0 {

class ProcessCore;

struct ProcessOptions {
  std::string name = {};  // empty: "Process-1", "Process-1:2" for the second child of the first
  // A daemon is terminated when its parent exits, killed when its parent is killed, and may not have children.
  bool daemon = false;
  std::optional<StartMethod> method = {};  // empty: get_start_method() when it starts
};

// A child process, seen from its parent. Copies name the same child.
class POLYPROC_API ChildProcess {
 public:
  explicit ChildProcess(std::shared_ptr<ProcessCore> core) noexcept : core_(std::move(core)) {}

  [[nodiscard]] std::string name() const;
  [[nodiscard]] bool daemon() const;
  // Nothing before the start.
  [[nodiscard]] std::optional<pid_t> pid() const;
  // Nothing until it has ended; the negative number of the signal that ended it, or what it exited with (kExitFailed,
  // kExitUnknown: exit.hpp).
  [[nodiscard]] std::optional<int> exitcode() const;
  [[nodiscard]] bool is_alive() const;

  // Waits for its end; false when the deadline came first. Throws UsageError before the start.
  void join() const { (void)join_until(Deadline::never()); }
  bool join_until(Deadline deadline) const;
  template <class Clock, class Duration>
  bool join_until(const std::chrono::time_point<Clock, Duration>& when) const {
    return join_until(Deadline::at(when));
  }
  template <class Rep, class Period>
  bool join_for(const std::chrono::duration<Rep, Period>& timeout) const {
    return join_until(Deadline::after(timeout));
  }

  // SIGTERM, SIGKILL, SIGINT; nothing happens when it has ended.
  void terminate() const;
  void kill() const;
  void interrupt() const;
  // A descriptor (pidfd) that becomes readable at its end; valid until close.
  [[nodiscard]] int sentinel() const;

  friend bool operator==(const ChildProcess&, const ChildProcess&) = default;

 protected:
  [[nodiscard]] const std::shared_ptr<ProcessCore>& core() const;

 private:
  std::shared_ptr<ProcessCore> core_;
};

// Moved, not copied. A running child goes on when its Process is destroyed; it is joined at exit.
class POLYPROC_API Process : public ChildProcess {
 public:
  template <class F, class... Args>
  requires(!std::is_base_of_v<ChildProcess, std::decay_t<F>> &&
           !std::is_same_v<std::decay_t<F>, ProcessOptions>) explicit Process(F&& fn, Args&&... arguments)
      : Process(detail::make_target(std::forward<F>(fn), std::forward<Args>(arguments)...),
                ProcessOptions{}) {}
  template <class F, class... Args>
  explicit Process(ProcessOptions options, F&& fn, Args&&... arguments)
      : Process(detail::make_target(std::forward<F>(fn), std::forward<Args>(arguments)...),
                std::move(options)) {}
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  Process(Process&&) noexcept = default;
  Process& operator=(Process&&) noexcept = default;
  ~Process() = default;

  // Throws UsageError when it was started before, in a daemon, when something cannot go to a spawned child, and for
  // spawn without init; OsError when the system refuses. After an exception it may be started again.
  void start();
  // Before the start only.
  void set_name(std::string name);
  void set_daemon(bool daemon);
  // Gives up the descriptor; throws UsageError while the child runs. Later use is a UsageError.
  void close();

 private:
  Process(std::unique_ptr<ProcessTarget> target, ProcessOptions options);
};

// As Process, the start method fixed: what spawn cannot do is refused by the compiler.
class POLYPROC_API ForkProcess : public Process {
 public:
  template <class F, class... Args>
  requires(!std::is_base_of_v<ChildProcess, std::decay_t<F>>) explicit ForkProcess(F&& fn,
                                                                                   Args&&... arguments)
      : Process(ProcessOptions{.method = StartMethod::fork}, std::forward<F>(fn),
                std::forward<Args>(arguments)...) {}
};

class POLYPROC_API SpawnProcess : public Process {
 public:
  template <class F, class... Args>
  requires(!std::is_base_of_v<ChildProcess, std::decay_t<F>>) explicit SpawnProcess(F&& fn,
                                                                                    Args&&... arguments)
      : Process(ProcessOptions{.method = StartMethod::spawn}, std::forward<F>(fn),
                std::forward<Args>(arguments)...) {
    static_assert(detail::check_spawnable<F, Args...>());
  }
};

// The children of this process that run; those that have ended are collected on the way.
[[nodiscard]] POLYPROC_API std::vector<ChildProcess> active_children();

}  // namespace polyproc::inline v0
