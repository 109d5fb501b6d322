// SPDX-License-Identifier: MIT
// The pool's life: from the start of its workers to the end of its threads.
#include "pool/pool_core.hpp"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <csignal>

#include <fmt/format.h>
#include <polyproc/os/diagnostics.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/process/current.hpp>

#include "os/fork_count.hpp"
#include "os/own_thread.hpp"

namespace polyproc::inline v0 {
namespace {

constexpr std::chrono::seconds kTimeToTerminate{1};
constexpr std::chrono::seconds kTimeAtExit{3};
constexpr std::size_t kReportBytes = 16384;

std::size_t checked_processes(int processes) {
  if (processes < 0)
    throw InvalidArgument(
        fmt::format("making a pool: of {} processes; give 0 for one for each processor", processes));
  return static_cast<std::size_t>(processes == 0 ? cpu_count() : processes);
}

template <class Ended>
bool wait_for_end(PoolCore::Lock& guard, std::condition_variable& changed, Deadline deadline, Ended ended) {
  if (!deadline.is_never()) return changed.wait_until(guard, deadline.when(), ended);
  changed.wait(guard, ended);
  return true;
}

}  // namespace

PoolCore::PoolCore(const PoolOptions& options, std::shared_ptr<ProcessTarget> initializer)
    : owner_(::getpid()),
      owner_forks_(os::fork_count()),
      processes_(checked_processes(options.processes)),
      method_(options.method.value_or(parse_start_method(get_start_method()))),
      most_tasks_(options.max_tasks_per_child),
      initializer_(std::move(initializer)),
      reports_(make_pool_queue()),
      nudge_(os::checked("eventfd", "a pool", [] { return ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); })),
      buffer_(kReportBytes) {
  ::pthread_sigmask(SIG_SETMASK, nullptr, &signals_);
}

PoolCore::~PoolCore() = default;

void PoolCore::start() {
  try {
    Lock guard(mutex_);
    while (workers_.size() < processes_) start_worker(guard);
    collector_thread_ = os::start_own_thread("a pool", [this] { collect(); });
    keeper_thread_ = os::start_own_thread("a pool", [this] { keep(); });
    add_starter(weak_from_this());
  } catch (...) {
    {
      const std::lock_guard guard(mutex_);
      send_all(SIGKILL);
      for (const auto& worker : workers_) (void)worker->process->join(Deadline::never());
      workers_.clear();
      stage_ = Stage::terminated;
      stop_ = true;
      reports_.shutdown(false);
    }
    if (collector_thread_.joinable()) collector_thread_.join();
    throw;
  }
}

bool PoolCore::is_ours() const noexcept { return owner_forks_ == os::fork_count(); }

PoolCore::Lock PoolCore::lock(const char* act) const {
  // Before the lock: in a forked child it may be held by a thread that is not there.
  if (!is_ours())
    throw UsageError(fmt::format(
        "{}: only the process that made the pool (pid {}) can use it; make another one here", act, owner_));
  return Lock(mutex_);
}

void PoolCore::require_running() const {
  if (stage_ == Stage::broken) throw BrokenPool(why_ended_);
  if (stage_ != Stage::running)
    throw Closed(fmt::format("giving a task to a pool: {}; give it all tasks first", why_ended_));
}

std::vector<pid_t> PoolCore::worker_pids() const {
  const auto guard = lock("asking a pool for its workers");
  std::vector<pid_t> pids;
  for (const auto& worker : workers_) {
    if (worker->process) pids.push_back(worker->process->pid().value_or(0));
  }
  return pids;
}

void PoolCore::close() {
  const auto guard = lock("closing a pool");
  if (stage_ != Stage::running) return;
  stage_ = Stage::closing;
  why_ended_ = "it was closed";
  end_workers_when_done();
}

void PoolCore::terminate() {
  const auto guard = lock("terminating a pool");
  if (stage_ == Stage::terminated) return;
  drain_before_end();
  stage_ = Stage::terminated;
  why_ended_ = "it was terminated";
  stop_workers();
  fail_all(TaskEnd::ended, "running a task in a pool: the pool was terminated before the task ended");
}

void PoolCore::break_pool(const std::string& why) {
  if (stage_ == Stage::broken || stage_ == Stage::terminated) return;
  stage_ = Stage::broken;
  why_ended_ = why;
  stop_workers();
  fail_all(TaskEnd::broken, why);
}

void PoolCore::fail_all(TaskEnd end, const std::string& why) {
  again_.clear();
  backlog_.clear();
  put_off_.clear();
  waiting_ = 0;
  for (const auto& worker : workers_) worker->in_hand.clear();
  for (const auto& [group, held] : groups_) {
    for (const auto state : {TaskGroup::State::waiting, TaskGroup::State::in_hand}) {
      group->for_each_in(state, [&](std::size_t i) { finish(*group, i, {.end = end, .text = why}); });
    }
    touch(*group);
  }
  tell_touched();
}

// To those that have been started.
void PoolCore::send_all(int signal) noexcept {
  for (const auto& worker : workers_) {
    try {
      if (worker->process) worker->process->send(signal);
    } catch (const Error&) {
      // It has ended, and was closed.
    }
  }
}

void PoolCore::stop_workers() {
  for (const auto& worker : workers_) {
    worker->told_to_end = true;
  }
  send_all(SIGTERM);
  kill_at_ = Deadline::after(kTimeToTerminate);
  nudge_keeper();
}

void PoolCore::end_workers_when_done() {
  if (stage_ != Stage::closing || !groups_.empty()) return;
  for (const auto& worker : workers_) tell_to_end(*worker);
  nudge_keeper();
}

void PoolCore::tell_to_end(PoolWorker& worker) {
  if (std::exchange(worker.told_to_end, true)) return;
  worker.tasks.shutdown(false);
}

// Results that are there already count.
void PoolCore::drain_before_end() noexcept {
  try {
    (void)drain();
  } catch (const std::exception&) {
    // The pool is broken, and those who wait have been told.
  }
}

bool PoolCore::wait_for_workers(Lock& guard, Deadline deadline) {
  return wait_for_end(guard, ended_, deadline, [&] { return workers_.empty() && stop_; });
}

bool PoolCore::join(Deadline deadline) {
  {
    auto guard = lock("joining a pool");
    if (std::this_thread::get_id() == callback_thread_id_)
      throw UsageError("joining a pool from one of its callbacks: it would wait for itself");
    if (stage_ == Stage::running)
      throw UsageError("joining a pool: it takes tasks still; call close() or terminate() first");
    if (!wait_for_workers(guard, deadline)) return false;
    callbacks_end_ = true;
    called_.notify_all();
    const auto all_called = [&] { return callback_thread_id_ == std::thread::id(); };
    if (!wait_for_end(guard, ended_, deadline, all_called)) return false;
  }
  join_threads({&collector_thread_, &keeper_thread_, &callback_thread_});
  return true;
}

void PoolCore::join_threads(std::initializer_list<std::thread*> threads) {
  const std::lock_guard guard(joining_);
  for (std::thread* each : threads) {
    if (!each->joinable()) continue;
    if (each->get_id() == std::this_thread::get_id())
      each->detach();
    else
      each->join();
  }
}

void PoolCore::end_workers(Deadline deadline) {
  bool is_idle = false;
  {
    const auto guard = lock("ending a pool");
    drain_before_end();
    is_idle = groups_.empty();
  }
  close();
  {
    auto guard = lock("ending a pool");
    if (is_idle && wait_for_workers(guard, Deadline::after(kTimeToTerminate))) return;
  }
  terminate();
  auto guard = lock("ending a pool");
  (void)wait_for_workers(guard, deadline);
}

void PoolCore::end() noexcept {
  try {
    end_workers(Deadline::never());
    bool in_callback = false;
    {
      const auto guard = lock("ending a pool");
      in_callback = std::this_thread::get_id() == callback_thread_id_;
      if (in_callback) callbacks_end_ = true;
    }
    if (in_callback)
      join_threads({&collector_thread_, &keeper_thread_, &callback_thread_});
    else
      (void)join(Deadline::never());
  } catch (const std::exception& error) {
    os::diagnose(fmt::format("polyproc: ending a pool: {}", error.what()));
  }
}

void PoolCore::stop_starting() noexcept {
  if (!is_ours()) return;
  try {
    end_workers(Deadline::after(kTimeAtExit));
    auto guard = lock("ending a pool");
    if (!wait_for_workers(guard, Deadline::now())) return;
    guard.unlock();
    join_threads({&collector_thread_, &keeper_thread_});
  } catch (const std::exception& error) {
    os::diagnose(fmt::format("polyproc: ending a pool at exit: {}", error.what()));
  }
}

bool PoolCore::start_callbacks() {
  if (callbacks_end_) return false;
  if (callback_thread_id_ != std::thread::id()) return true;
  // It may be the last to hold the pool, where that ends in a callback.
  callback_thread_ =
      os::start_own_thread("the callbacks of a pool", [self = shared_from_this()] { self->run_callbacks(); });
  callback_thread_id_ = callback_thread_.get_id();
  return true;
}

void PoolCore::post(std::function<void()>&& callback) {
  callbacks_.push_back(std::move(callback));
  called_.notify_one();
}

void PoolCore::run_callbacks() {
  Lock guard(mutex_);
  for (;;) {
    called_.wait(guard, [&] { return !callbacks_.empty() || callbacks_end_; });
    if (callbacks_.empty()) break;
    auto callback = std::move(callbacks_.front());
    callbacks_.pop_front();
    guard.unlock();
    try {
      callback();
    } catch (const std::exception& error) {
      os::diagnose(fmt::format("polyproc: a callback of a pool threw: {}", error.what()));
    } catch (...) {
      os::diagnose("polyproc: a callback of a pool threw something that is no std::exception");
    }
    callback = nullptr;
    guard.lock();
  }
  callback_thread_id_ = {};
  ended_.notify_all();
}

// ---- the handle

TaskGroup::TaskGroup(std::shared_ptr<PoolCore> pool, std::vector<std::byte> function,
                     const TaskOptions& options, bool by_end)
    : pool_(std::move(pool)), function_(std::move(function)), options_(options), by_end_(by_end) {}
TaskGroup::~TaskGroup() = default;

BytePool::BytePool(const PoolOptions& options, std::unique_ptr<ProcessTarget> initializer)
    : core_(std::make_shared<PoolCore>(options, std::move(initializer))) {
  core_->start();
}
BytePool& BytePool::operator=(BytePool&& other) noexcept {
  if (this != &other) {
    end();
    core_ = std::move(other.core_);
  }
  return *this;
}
BytePool::~BytePool() { end(); }

// A forked child's copy is left as it is: it has threads that are not there.
void BytePool::end() noexcept {
  if (!core_) return;
  if (core_->is_ours())
    core_->end();
  else
    (void)new std::shared_ptr<PoolCore>(core_);  // NOLINT: for the rest of the child's life
}

PoolCore& BytePool::core() const {
  if (!core_) throw UsageError("using a pool: it was moved from");
  return *core_;
}

std::shared_ptr<TaskGroup> BytePool::group(std::vector<std::byte> function, const TaskOptions& options,
                                           bool by_end) const {
  if (options.timeout < std::chrono::nanoseconds::zero())
    throw InvalidArgument("giving a task to a pool: its timeout is negative; zero means none");
  (void)core();
  return std::make_shared<TaskGroup>(core_, std::move(function), options, by_end);
}
void BytePool::close() { core().close(); }
void BytePool::terminate() { core().terminate(); }
bool BytePool::join(Deadline deadline) { return core().join(deadline); }
int BytePool::processes() const { return core().processes(); }
std::vector<pid_t> BytePool::worker_pids() const { return core().worker_pids(); }

}  // namespace polyproc::inline v0
