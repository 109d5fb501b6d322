// SPDX-License-Identifier: MIT
#include "process/process_core.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/os/error.hpp>

#include "os/pidfd.hpp"
#include "process/bootstrap.hpp"
#include "process/child_table.hpp"
#include "process/this_process.hpp"

namespace polyproc::inline v0 {
namespace {

std::string next_path() {
  ThisProcess& maker = this_process();
  const unsigned number = ++maker.processes_made;
  return maker.role.path.empty() ? fmt::format("{}", number) : fmt::format("{}:{}", maker.role.path, number);
}

// What waitid found; nothing while the child runs.
std::optional<int> look_for_end(int pidfd) {
  siginfo_t info{};
  while (::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG) != 0) {
    if (errno == EINTR) continue;
    if (errno != ECHILD) os::throw_os_error(errno, "waitid", "a child process");
    return os::wait_for_end(pidfd, Deadline::now()) ? std::optional(kExitUnknown) : std::nullopt;
  }
  if (info.si_pid == 0) return std::nullopt;
  return info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
}

}  // namespace

ProcessCore::ProcessCore(std::unique_ptr<ProcessTarget> target, ProcessOptions options, bool worker)
    : maker_(::getpid()),
      path_(next_path()),
      worker_(worker),
      name_(options.name.empty() ? "Process-" + path_ : std::move(options.name)),
      daemon_(options.daemon),
      method_(options.method),
      target_(std::move(target)) {}

bool ProcessCore::is_self() const noexcept { return this_process().role.self == this; }
bool ProcessCore::is_ours() const noexcept { return maker_ == ::getpid(); }

std::unique_lock<std::mutex> ProcessCore::lock_for(std::string_view act) const {
  // Before the lock: in a forked child it may be held by a thread that is not there.
  if (is_self()) throw UsageError(fmt::format("{} {}: a process cannot do this to itself", act, name_));
  if (!is_ours())
    throw UsageError(
        fmt::format("{} {}: only the process that made it (pid {}) may do this", act, name_, maker_));
  std::unique_lock guard(mutex_);
  if (closed_) throw UsageError(fmt::format("{} {}: it was closed", act, name_));
  return guard;
}

void ProcessCore::require_not_started(std::string_view act) const {
  if (pid_ != 0)
    throw UsageError(fmt::format("{} {}: it was started already; make a new Process", act, name_));
}

void ProcessCore::require_started(std::string_view act) const {
  if (pid_ == 0) throw UsageError(fmt::format("{} {}: call start() first", act, name_));
}

ChildRole ProcessCore::role() const {
  const ChildRole& own = this_process().role;
  return {name_, path_, daemon_, worker_, ::getpid(), own.name, parse_start_method(get_start_method()), this};
}

StartMethod ProcessCore::method() const { return method_.value_or(parse_start_method(get_start_method())); }

void ProcessCore::start() {
  prepare_start();
  start_prepared();
}

void ProcessCore::prepare_start() {
  const auto guard = lock_for("starting");
  require_not_started("starting");
  if (this_process().role.daemon && !this_process().role.worker)
    throw UsageError(fmt::format("starting {}: daemons may not have children", name_));
  if (method() != StartMethod::fork && !spawn_is_possible()) {
    throw UsageError(fmt::format(
        "starting {} by {}: main must begin with polyproc::init(argc, argv), which catches the new program",
        name_, to_string(method())));
  }
  (void)Arena::family();
  prepare_for_children();
  (void)running_children();
  if (method() == StartMethod::fork) warn_before_fork(role());
  flush_stdio();  // what was printed before must come before what the child prints, and once
}

void ProcessCore::start_prepared() {
  const auto guard = lock_for("starting");
  require_not_started("starting");
  kept_ = launch(method());
  sentinel_ = std::make_shared<os::Fd>(std::move(kept_.sentinel));
  pid_ = kept_.pid;
  target_.reset();
  add_child(shared_from_this());
  if (kept_.collected) ended(kExitUnknown);
}

Launched ProcessCore::launch(StartMethod method) {
  switch (method) {
    case StartMethod::fork:
      return launch_by_fork(*target_, role());
    case StartMethod::spawn:
      return launch_by_spawn(*target_, role());
    case StartMethod::forkserver:
      return launch_by_forkserver(*target_, role());
  }
  throw InvalidArgument(
      fmt::format("starting {}: start method {} does not exist", name_, static_cast<int>(method)));
}

void ProcessCore::close() {
  const auto guard = lock_for("closing");
  if (pid_ != 0) {
    collect();
    if (!exit_)
      throw UsageError(fmt::format("closing {}: it still runs; terminate and join it first", name_));
  }
  closed_ = true;
  sentinel_.reset();
  target_.reset();
}

void ProcessCore::set_name(std::string name) {
  const auto guard = lock_for("naming");
  require_not_started("naming");
  name_ = std::move(name);
}

void ProcessCore::set_daemon(bool daemon) {
  const auto guard = lock_for("changing the daemon flag of");
  require_not_started("changing the daemon flag of");
  daemon_ = daemon;
}

std::string ProcessCore::name() const {
  if (!is_ours()) return name_;
  std::lock_guard guard(mutex_);
  return name_;
}

bool ProcessCore::daemon() const {
  if (!is_ours()) return daemon_;
  std::lock_guard guard(mutex_);
  return daemon_;
}

std::optional<pid_t> ProcessCore::pid() const {
  if (is_self()) return ::getpid();
  if (!is_ours()) return pid_ != 0 ? std::optional(pid_) : std::nullopt;
  std::lock_guard guard(mutex_);
  return pid_ != 0 ? std::optional(pid_) : std::nullopt;
}

bool ProcessCore::is_alive() const {
  if (is_self()) return true;
  const auto guard = lock_for("testing");
  if (pid_ == 0) return false;
  collect();
  return !exit_;
}

int ProcessCore::sentinel() const {
  const auto guard = lock_for("taking the sentinel of");
  require_started("taking the sentinel of");
  return sentinel_->get();
}

void ProcessCore::send(int signal) const {
  const auto guard = lock_for("signalling");
  require_started("signalling");
  collect();
  if (!exit_) os::send_signal(sentinel_->get(), signal);
}

bool ProcessCore::join(Deadline deadline) const {
  for (;;) {
    std::shared_ptr<os::Fd> sentinel;
    {
      const auto guard = lock_for("joining");
      require_started("joining");
      collect();
      if (exit_) return true;
      sentinel = sentinel_;
    }
    const bool was_over = os::wait_for_end(sentinel->get(), Deadline::now());
    if (!was_over && !os::wait_for_end(sentinel->get(), deadline)) return false;
    // A debugger may hold back the end that the descriptor shows.
    if (was_over && deadline.passed()) return false;
    if (was_over) std::this_thread::sleep_for(deadline.remaining(std::chrono::milliseconds(1)));
  }
}

std::optional<int> ProcessCore::exitcode() const {
  if (is_self()) return std::nullopt;
  const auto guard = lock_for("reading the exit code of");
  if (pid_ != 0) collect();
  return exit_;
}

bool ProcessCore::is_over() const {
  std::lock_guard guard(mutex_);
  if (!closed_) collect();
  return closed_ || exit_;
}

void ProcessCore::collect() const {
  if (exit_) return;
  if (const auto code = look_for_end(sentinel_->get())) ended(*code);
}

void ProcessCore::ended(int code) const {
  exit_ = code;
  remove_child(this);
  recover_after(kept_.embryos);
  kept_ = Launched{};
}

}  // namespace polyproc::inline v0
