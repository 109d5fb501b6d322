// SPDX-License-Identifier: MIT
// A child process as its parent keeps it: shared by the Process, by what active_children gives out, and, while it
// runs, by the table of children.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include <polyproc/os/deadline.hpp>
#include <polyproc/os/fd.hpp>
#include <polyproc/process/process.hpp>

#include "process/launch.hpp"

namespace polyproc::inline v0 {

class ProcessCore : public std::enable_shared_from_this<ProcessCore> {
 public:
  // `worker`: of a pool, a daemon that may have children.
  ProcessCore(std::unique_ptr<ProcessTarget> target, ProcessOptions options, bool worker = false);

  void start();
  // The two halves of start. The first may take long, as it writes out what is buffered and calls the diagnostic sink: a
  // caller need not hold a lock for it that the second, the launch, has to be made under.
  void prepare_start();
  void start_prepared();
  void close();
  void set_name(std::string name);
  void set_daemon(bool daemon);
  [[nodiscard]] std::string name() const;
  [[nodiscard]] bool daemon() const;
  [[nodiscard]] std::optional<pid_t> pid() const;
  [[nodiscard]] bool is_alive() const;
  [[nodiscard]] int sentinel() const;
  void send(int signal) const;
  [[nodiscard]] bool join(Deadline deadline) const;
  // Collects the child when it has ended.
  [[nodiscard]] std::optional<int> exitcode() const;
  // The same for the table of children.
  [[nodiscard]] bool is_over() const;

 private:
  [[nodiscard]] bool is_self() const noexcept;
  [[nodiscard]] bool is_ours() const noexcept;
  // Each throws UsageError, naming the act; with the lock held.
  [[nodiscard]] std::unique_lock<std::mutex> lock_for(std::string_view act) const;
  void require_not_started(std::string_view act) const;
  void require_started(std::string_view act) const;
  [[nodiscard]] StartMethod method() const;
  [[nodiscard]] ChildRole role() const;
  [[nodiscard]] Launched launch(StartMethod method);
  void collect() const;
  void ended(int code) const;

  const pid_t maker_;
  const std::string path_;
  const bool worker_;
  mutable std::mutex mutex_;  // guards what follows
  std::string name_;
  bool daemon_;
  std::optional<StartMethod> method_;
  std::unique_ptr<ProcessTarget> target_;  // until it is started
  bool closed_ = false;
  pid_t pid_ = 0;                     // 0: not started
  std::shared_ptr<os::Fd> sentinel_;  // shared with who waits on it
  // Seeing that the child has ended changes nothing for the caller.
  mutable std::optional<int> exit_;
  mutable Launched kept_;
};

}  // namespace polyproc::inline v0
