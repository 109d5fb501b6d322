// SPDX-License-Identifier: MIT
// The thread that watches over the workers: it collects the dead, starts new ones, and ends tasks that take too long.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>

#include <fmt/format.h>
#include <polyproc/os/diagnostics.hpp>
#include <polyproc/os/error.hpp>

#include "os/poll.hpp"
#include "pool/pool_core.hpp"

namespace polyproc::inline v0 {
namespace {

constexpr std::chrono::milliseconds kPause{100};  // after a start that the system has refused
constexpr std::size_t kMostDoublings = 6;         // of it, where workers come to nothing again and again
constexpr std::chrono::seconds kSettled{1};       // who was ready for so long has begun well
constexpr std::chrono::milliseconds kHeldBack{10};

// So many starts in a row may be refused, or come to nothing: a kill or two are bad luck.
std::size_t most_failed_starts(std::size_t processes) { return std::max<std::size_t>(5, 2 * processes); }

std::string describe_end(int code) {
  if (code >= 0) return fmt::format("exited with code {}", code);
  const char* name = ::sigabbrev_np(-code);
  return fmt::format("was killed by {}",
                     name != nullptr ? fmt::format("SIG{}", name) : fmt::format("signal {}", -code));
}

std::string describe(const ProcessCore& process) {
  return fmt::format("{} (pid {})", process.name(), process.pid().value_or(0));
}

// What forks meanwhile has no handler of this process run in the child, before that has handlers of its own.
class SignalsHeld {
 public:
  SignalsHeld() noexcept {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;
  ~SignalsHeld() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

double seconds(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

void PoolCore::nudge_keeper() noexcept {
  const std::uint64_t one = 1;
  (void)!::write(nudge_.get(), &one, sizeof one);
}

void PoolCore::keep() {
  Lock guard(mutex_);
  try {
    watch_over_workers(guard);
  } catch (const std::exception& error) {  // the arena is damaged, or the system out of everything
    if (!guard.owns_lock()) guard.lock();
    break_pool(fmt::format("watching over the workers of a pool: {}", error.what()));
    send_all(SIGKILL);
    workers_.clear();
  }
  stop_ = true;
  // Who waits for reports wakes up, now or later: unlike an item, it is not taken by another thread.
  reports_.shutdown(false);
  collector_.notify_all();
  ended_.notify_all();
}

void PoolCore::watch_over_workers(Lock& guard) {
  for (;;) {
    start_missing_workers(guard);
    if (workers_.empty() && !needs_workers()) return;
    std::vector<pollfd> watched{{nudge_.get(), POLLIN, 0}};
    for (const auto& worker : workers_) {
      const bool looks_later = Clock::now() < worker->look_again;
      watched.push_back({looks_later ? -1 : worker->process->sentinel(), POLLIN, 0});
    }
    const Deadline deadline = next_event();
    guard.unlock();
    (void)os::poll_until(watched, deadline, "the workers of a pool");
    guard.lock();
    std::uint64_t nudges = 0;
    if (watched.front().revents != 0) (void)!::read(nudge_.get(), &nudges, sizeof nudges);
    // Only this thread takes workers out.
    std::vector<PoolWorker*> ended;
    for (std::size_t i = 1; i < watched.size(); ++i) {
      if (watched[i].revents != 0) ended.push_back(workers_[i - 1].get());
    }
    for (PoolWorker* worker : ended) bury(*worker);
    end_late_tasks();
    kill_the_slow();
    if (put_off_.empty()) continue;
    feed();
    tell_touched();
  }
}

bool PoolCore::needs_workers() const noexcept {
  return stage_ == Stage::running || (stage_ == Stage::closing && !groups_.empty());
}

// A system that refuses now may not do so later. As long as there are workers, the pool goes on with them.
void PoolCore::start_missing_workers(Lock& guard) {
  if (Clock::now() < next_start_) return;
  try {
    while (needs_workers() && workers_.size() < processes_) {
      start_worker(guard);
      refused_starts_ = 0;
    }
  } catch (const std::exception& error) {
    next_start_ = Clock::now() + kPause;
    ++refused_starts_;
    if (workers_.empty() && refused_starts_ > most_failed_starts(processes_))
      return break_pool(fmt::format("starting the workers of a pool: {}", error.what()));
    if (refused_starts_ != 1) return;
    guard.unlock();
    os::diagnose(fmt::format("polyproc: starting a worker of a pool: {}; it is tried again", error.what()));
    guard.lock();
  }
}

// It is among the workers before it runs, so that its first report finds it.
void PoolCore::start_worker(Lock& guard) {
  auto made = std::make_unique<PoolWorker>(last_number_ + 1, make_pool_queue());
  PoolWorker& worker = *made;
  const auto process = std::make_shared<ProcessCore>(
      make_worker(worker.number, worker.tasks, reports_, initializer_, signals_),
      ProcessOptions{.name = fmt::format("PoolWorker-{}", worker.number), .daemon = true, .method = method_},
      true);
  ++last_number_;
  workers_.push_back(std::move(made));
  try {
    launch(*process, guard);
  } catch (...) {
    if (!guard.owns_lock()) guard.lock();
    std::erase_if(workers_, [&](const auto& each) { return each.get() == &worker; });
    throw;
  }
  worker.process = process;
  if (stage_ == Stage::terminated || stage_ == Stage::broken)
    stop_workers();
  else
    end_workers_when_done();
}

// A fork is made with the lock held, so that no thread of the pool's holds another one that the child needs. All that may take long is
// done without.
void PoolCore::launch(ProcessCore& process, Lock& guard) {
  guard.unlock();
  process.prepare_start();
  if (method_ != StartMethod::fork) {
    process.start_prepared();
    guard.lock();
  } else {
    guard.lock();
    const SignalsHeld held;
    process.start_prepared();
  }
}

// What it has reported counts, what it has not taken goes to others; what is in neither died with it.
void PoolCore::bury(PoolWorker& worker) {
  const std::optional<int> code = worker.process->exitcode();
  // A tracer has it first.
  worker.look_again = code ? Clock::time_point{} : Clock::now() + kHeldBack;
  if (!code) return;
  (void)drain();
  const bool was_told = worker.told_to_end;
  worker.told_to_end = true;
  worker.unresponsive = false;
  (void)take_back(worker, worker.in_hand.size());
  if (!was_told) count_failed_start(worker, *code);
  const auto lost = std::move(worker.in_hand);
  worker.in_hand.clear();
  for (const InHand& task : lost) end_task_of_dead(worker, task, *code);
  std::erase_if(workers_, [&](const auto& each) { return each.get() == &worker; });
  feed();
  tell_touched();
  end_workers_when_done();
}

// Who has ended without a task done or begun. That a thread of the initializer's ends all workers soon after they are ready shows here.
void PoolCore::count_failed_start(const PoolWorker& worker, int code) {
  const auto now = Clock::now();
  if (worker.has_worked || !worker.in_hand.empty()) return;
  if (worker.ready && now - worker.ready_since >= kSettled) {
    failed_starts_ = 0;
    return;
  }
  const std::size_t most = most_failed_starts(processes_);
  if (++failed_starts_ <= most) return;
  if (std::none_of(workers_.begin(), workers_.end(), [](const auto& each) { return each->takes_tasks(); }))
    return break_pool(
        fmt::format("starting the workers of a pool: {} have ended before they were ready, or did anything, "
                    "the last one, {}, {}",
                    failed_starts_, describe(*worker.process), describe_end(code)));
  next_start_ = now + kPause * (std::size_t{1} << std::min(failed_starts_ - most - 1, kMostDoublings));
}

void PoolCore::end_task_of_dead(PoolWorker& worker, const InHand& lost, int code) {
  TaskGroup::Task& task = lost.group->task(lost.task);
  const std::string who = describe(*worker.process);
  if (worker.timed_out == lost.id) {
    finish(*lost.group, lost.task,
           {.end = TaskEnd::timed_out,
            .text = fmt::format("running a task in a pool: it took longer than {} s, and {} was killed",
                                seconds(lost.group->options_.timeout), who)});
  } else if (task.losses_left > 0) {
    --task.losses_left;
    run_again(lost);
  } else {
    finish(*lost.group, lost.task,
           {.end = TaskEnd::lost,
            .text = fmt::format(
                "running a task in a pool: its worker, {}, {}; give tasks that may run twice retries", who,
                describe_end(code)),
            .exitcode = code});
  }
}

void PoolCore::end_late_tasks() {
  const auto is_late = [](const PoolWorker& worker) {
    if (worker.in_hand.empty() || worker.timed_out != 0) return false;
    const auto timeout = worker.in_hand.front().group->options_.timeout;
    return timeout.count() != 0 && Clock::now() - worker.begun >= timeout;
  };
  const auto any_late = [&] {
    return std::any_of(workers_.begin(), workers_.end(), [&](const auto& each) { return is_late(*each); });
  };
  if (!any_late()) return;
  drain();
  for (const auto& worker : workers_) {
    if (!is_late(*worker)) continue;
    worker->timed_out = worker->in_hand.front().id;
    worker->process->send(SIGKILL);
  }
}

void PoolCore::kill_the_slow() {
  if (!kill_at_.passed()) return;
  kill_at_ = Deadline::never();
  send_all(SIGKILL);
}

Deadline PoolCore::next_event() const {
  Deadline next = kill_at_;
  if (!put_off_.empty()) next = std::min(next, Deadline::at(put_off_at_ + kPutOff));
  if (workers_.size() < processes_ && needs_workers()) next = std::min(next, Deadline::at(next_start_));
  for (const auto& worker : workers_) {
    if (worker->look_again != Clock::time_point{}) next = std::min(next, Deadline::at(worker->look_again));
    if (worker->in_hand.empty() || worker->timed_out != 0) continue;
    const auto timeout = worker->in_hand.front().group->options_.timeout;
    if (timeout.count() == 0) continue;
    const auto room = Clock::time_point::max() - worker->begun;
    if (timeout < room) next = std::min(next, Deadline::at(worker->begun + timeout));
  }
  return next;
}

}  // namespace polyproc::inline v0
