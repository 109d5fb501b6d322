// SPDX-License-Identifier: MIT
// Waiting for tasks. Who waits takes reports itself, for as long as that pays; then it sleeps, and the collector takes them.
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>

#include "pool/pool_core.hpp"

namespace polyproc::inline v0 {

const BlockRef& TaskGroup::channel() const noexcept { return pool_->channel(); }

// A long task is put as it is written here; of a short one the arguments are kept alone.
void TaskGroup::begin_task(Encoder& out) const {
  const TaskHeader header{0, function_.size()};
  out.write(std::as_bytes(std::span(&header, 1)));
  out.write(function_);
}

void TaskGroup::add_task(std::vector<std::byte> bytes) {
  Task task;
  task.skipped = sizeof(TaskHeader) + function_.size();
  if (bytes.size() <= PoolCore::kFrameBytes) {
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(task.skipped));
    bytes.shrink_to_fit();
    task.skipped = 0;
  }
  task.bytes = std::move(bytes);
  if (!references_->named().empty()) task.references = std::move(references_);
  task.losses_left = options_.retries;
  added_.push_back(std::move(task));
}

void TaskGroup::submit() { pool_->submit(*this); }

TaskGroup::State TaskGroup::state(std::size_t index) const {
  if (index >= first_) return tasks_[index - first_].state;
  const auto found = passed_.find(index);
  return found == passed_.end() ? State::taken : found->second.state;
}

// `early`: `done` may come true before all have ended.
template <class Done>
bool TaskGroup::wait_until(Done done, bool early, Deadline deadline) {
  auto lock = pool_->lock("waiting for a task of a pool");
  auto begin = PoolCore::Clock::now();
  for (;;) {
    (void)pool_->drain();
    if (done()) return true;
    if (unfinished_ == 0)
      throw UsageError("waiting for a task of a pool: all that were given to it have ended; submit it first");
    if (deadline.passed()) return false;
    if (pool_->look_for_user(lock, deadline)) {
      pool_->learn(PoolCore::Clock::duration::zero());
      begin = PoolCore::Clock::now();
      continue;
    }
    if (done()) return true;
    pool_->leave_to_collector();
    std::size_t& sleepers = early ? early_sleepers_ : sleepers_;
    ++sleepers;
    const std::size_t ended = ended_;
    const auto changed = [&] { return unfinished_ == 0 || (early && ended_ != ended); };
    if (deadline.is_never())
      changed_.wait(lock, changed);
    else
      (void)changed_.wait_until(lock, deadline.when(), changed);
    --sleepers;
    const auto now = PoolCore::Clock::now();
    pool_->learn(now - begin);
    begin = now;
  }
}

std::size_t TaskGroup::count() const {
  const auto guard = pool_->lock("counting the tasks of a pool");
  return end();
}

std::size_t TaskGroup::count_ended() const {
  const auto guard = pool_->lock("counting the tasks of a pool");
  (void)pool_->drain();
  return ended_;
}

bool TaskGroup::all_ended() const {
  const auto guard = pool_->lock("looking at a task of a pool");
  (void)pool_->drain();
  return unfinished_ == 0;
}

bool TaskGroup::all_well() const {
  const auto guard = pool_->lock("looking at a task of a pool");
  (void)pool_->drain();
  return unfinished_ == 0 && failed_ == 0;
}

bool TaskGroup::wait(std::size_t task, Deadline deadline) {
  const auto ended = [&] {
    if (task >= end())
      throw UsageError(
          fmt::format("waiting for task {} of a pool, which has {}; submit it first", task, end()));
    return state(task) >= State::ended;
  };
  return wait_until(ended, true, deadline);
}
bool TaskGroup::wait_all(Deadline deadline) {
  return wait_until([&] { return unfinished_ == 0; }, false, deadline);
}
bool TaskGroup::wait_more(std::size_t seen, Deadline deadline) {
  return wait_until([&] { return ended_ > seen; }, true, deadline);
}

std::optional<std::size_t> TaskGroup::wait_next(Deadline deadline) {
  std::optional<std::size_t> next;
  (void)wait_until(
      [&] {
        if (ended_order_.empty()) return false;
        next = ended_order_.front();
        ended_order_.pop_front();
        return true;
      },
      true, deadline);
  return next;
}

TaskOutcome TaskGroup::take(std::size_t index) {
  const auto guard = pool_->lock("taking the result of a task");
  if (index >= end() || state(index) != State::ended)
    throw UsageError(
        fmt::format("taking the result of task {}: it has not ended, or was taken already", index));
  Task& its = task(index);
  TaskOutcome outcome;
  if (its.rest) outcome = std::move(*its.rest);
  outcome.end = its.end;
  outcome.bytes = std::move(its.bytes);
  outcome.skipped = its.skipped;
  its.rest.reset();
  its.state = State::taken;
  if (index >= first_)
    ++taken_;
  else
    passed_.erase(index);
  drop_taken();
  return outcome;
}

// From the front on. One that has not been taken while many behind it were is put aside, so that it does not keep them.
void TaskGroup::drop_taken() {
  constexpr std::size_t kFew = 64;
  while (!tasks_.empty()) {
    Task& front = tasks_.front();
    if (front.state == State::taken)
      --taken_;
    else if (taken_ > kFew + tasks_.size() / 2)
      passed_.emplace(first_, std::move(front));
    else
      return;
    tasks_.pop_front();
    ++first_;
  }
}

bool TaskGroup::cancel() {
  const auto guard = pool_->lock("cancelling a task of a pool");
  const auto held = shared_from_this();
  return pool_->cancel(*this) == end();
}

void TaskGroup::abandon() noexcept {
  try {
    if (!pool_->is_ours()) return;
    const auto guard = pool_->lock("giving up results of a pool");
    const auto held = shared_from_this();
    abandoned_ = true;
    ended_order_.clear();
    (void)pool_->cancel(*this);
  } catch (const std::exception&) {
    // The tasks run, and nobody asks for their results.
  }
}

Waitable TaskGroup::waitable() {
  const auto guard = pool_->lock("waiting for a task of a pool");
  if (!all_ended_event_) {
    all_ended_event_.reset(os::checked("eventfd", "a task of a pool", [&] {
      return ::eventfd(unfinished_ == 0 ? 1 : 0, EFD_CLOEXEC | EFD_NONBLOCK);
    }));
    pool_->leave_to_collector();
  }
  return Waitable(all_ended_event_.get());
}

void TaskGroup::on_all_ended(std::function<void()> callback) {
  {
    const auto guard = pool_->lock("waiting for a task of a pool");
    if (pool_->start_callbacks()) {
      if (unfinished_ != 0)
        callbacks_.push_back(std::move(callback));
      else
        pool_->post(std::move(callback));
      return;
    }
  }
  callback();
}

void TaskGroup::on_progress(std::function<void(std::size_t)> callback) {
  const auto guard = pool_->lock("waiting for a task of a pool");
  if (!pool_->start_callbacks()) return;
  progress_ = std::move(callback);
  if (ended_ != 0) pool_->post_progress(*this);
}

std::size_t TaskGroup::appetite() const {
  const auto guard = pool_->lock("giving tasks to a pool");
  return pool_->appetite();
}

}  // namespace polyproc::inline v0
