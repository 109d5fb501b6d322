// SPDX-License-Identifier: MIT
// The child continues on the stack of the thread that forked, and ends there by _exit.
#include <sched.h>
#include <stdio_ext.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <exception>
#include <utility>

#include <fmt/format.h>
#include <polyproc/os/deadline.hpp>
#include <polyproc/os/diagnostics.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>
#include <polyproc/process/exit.hpp>

#include "os/own_thread.hpp"
#include "process/bootstrap.hpp"
#include "process/child_table.hpp"
#include "process/launch.hpp"

namespace polyproc::inline v0 {
namespace {

std::size_t count_other_threads() noexcept {
  const std::size_t ours = os::count_own_threads();
  struct stat folder {};
  if (::stat("/proc/self/task", &folder) != 0 || folder.st_nlink < 3 + ours) return 0;
  return folder.st_nlink - 3 - ours;  // a link for each thread, and two of its own
}

// A thread that has just been joined is seen for a moment longer.
std::size_t count_lasting_threads() noexcept {
  const Deadline moment = Deadline::after(std::chrono::microseconds(200));
  for (;;) {
    const std::size_t others = count_other_threads();
    if (others == 0 || moment.passed()) return others;
    ::sched_yield();
  }
}

[[noreturn]] void run_forked(ProcessTarget& target, const ChildRole& role, os::Fd life_line,
                             const ForkRecord& record) noexcept {
  become(role);
  // What another thread has printed since the flush is the parent's to write.
  ::__fpurge(stdout);
  ::__fpurge(stderr);
  ::_exit(run_child([&] {
    if (record.not_taken) std::rethrow_exception(record.not_taken);
    if (life_line) die_with_parent(std::move(life_line));
    target.run();
  }));
}

// The child saw the same record, and has ended without running anything.
[[noreturn]] void fail(pid_t child, const ForkRecord& record) {
  discard(child);
  recover_after(record.embryos);
  std::rethrow_exception(record.failure);
}

}  // namespace

// Once for all workers of pools, which are replaced as often as they end.
void warn_before_fork(const ChildRole& role) {
  static std::atomic<bool> warned{false};
  if (role.worker && warned.exchange(true)) return;
  const std::size_t others = count_lasting_threads();
  if (others == 0) {
    if (role.worker) warned = false;
    return;
  }
  os::diagnose(fmt::format(
      "polyproc: {} is forked while {} other thread{} run{}: the child may hang on a lock that one of "
      "them held; start processes before threads, or use the start method spawn",
      role.name, others, others == 1 ? "" : "s", others == 1 ? "s" : ""));
}

Launched launch_by_fork(ProcessTarget& target, const ChildRole& role) {
  Launched child;
  os::Fd reading_end;
  if (role.daemon) {
    child.life_line = life_line();
    reading_end = child.life_line->reading_end();
  }
  SentinelReserve reserve;
  ForkRecord record;
  record_forks(&record);
  child.pid = ::fork();
  const int error = errno;
  record_forks(nullptr);
  if (child.pid == 0) {
    if (record.failure) ::_exit(kExitFailed);
    reserve.close();
    run_forked(target, role, std::move(reading_end), record);
  }
  if (child.pid < 0) {
    recover_after(record.embryos);
    os::throw_os_error(error, "fork", role.name);
  }
  if (record.failure) fail(child.pid, record);
  POLYPROC_FAIL_POINT("process.forked");
  child.embryos = std::move(record.embryos);
  reserve.open_for(child);
  return child;
}

}  // namespace polyproc::inline v0
