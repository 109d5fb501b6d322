// SPDX-License-Identifier: MIT
// Reports of the workers, and who takes them.
#include <unistd.h>

#include <algorithm>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>
#include <polyproc/sync/wait.hpp>

#include "os/cpu.hpp"
#include "pool/item_receiver.hpp"
#include "pool/pool_core.hpp"

namespace polyproc::inline v0 {
namespace {

// So long after a user's thread has looked for reports the collector leaves it to do so again.
constexpr std::chrono::milliseconds kStandBy{1};

}  // namespace

bool PoolCore::drain() {
  bool any = false;
  or_break("taking reports of a pool's workers", [&] {
    any = take_reports();
    if (!any) return;
    feed();
    tell_touched();
    end_workers_when_done();
  });
  return any;
}

bool PoolCore::take_reports() {
  bool any = false;
  for (;;) {
    std::size_t used = 0;
    if (reports_.get_frames(buffer_, buffer_.size(), used, Deadline::now()) != QueueStatus::done) break;
    any = true;
    if (used == 0) {  // a long one, or one with a letter
      ItemReceiver item;
      if (reports_.get(item, Deadline::now()) != QueueStatus::done) break;
      BlockRef letter = std::move(item.own_letter());
      take_report(std::move(item).item(), std::move(letter));
      continue;
    }
    for (std::size_t at = 0; at < used;) {
      std::uint64_t frame = 0;
      std::memcpy(&frame, buffer_.data() + at, sizeof frame);
      const std::size_t size = frame >> 3;
      take_report({buffer_.data() + at + sizeof frame, size}, TaskOutcome{});
      at += sizeof frame + (size + 7) / 8 * 8;
    }
  }
  return any;
}

void PoolCore::take_report(std::vector<std::byte> item, BlockRef letter) {
  TaskOutcome outcome{.letter = std::move(letter)};
  outcome.bytes = std::move(item);
  const std::span<const std::byte> bytes = outcome.bytes;  // where they stay when they move
  take_report(bytes, std::move(outcome));
}

// `outcome` has the item's bytes already, or is to get a copy of them.
void PoolCore::take_report(std::span<const std::byte> item, TaskOutcome outcome) {
  const auto header = read_header<ReportHeader>(item);
  PoolWorker* worker = find_worker(header.worker);
  if (worker == nullptr || stage_ == Stage::terminated || stage_ == Stage::broken) return;
  worker->unresponsive = false;
  if (header.report == Report::ready) {
    worker->ready = true;
    worker->ready_since = Clock::now();
    return;
  }
  if (header.report == Report::not_initialized) {
    try {
      Decoder in(item);
      throw_exception(in);
    } catch (const std::exception& error) {
      return break_pool(
          fmt::format("starting the workers of a pool: its initializer threw {}", error.what()));
    }
  }
  const auto found = std::find_if(worker->in_hand.begin(), worker->in_hand.end(),
                                  [&](const InHand& each) { return each.id == header.task; });
  if (found == worker->in_hand.end()) return;
  const InHand done = *found;
  worker->in_hand.erase(found);
  ++worker->answered;
  worker->reported = true;
  worker->has_worked = true;
  failed_starts_ = 0;
  outcome.end = header.report == Report::value    ? TaskEnd::value
                : header.report == Report::partly ? TaskEnd::partly
                                                  : TaskEnd::raised;
  if (outcome.bytes.empty())
    outcome.bytes.assign(item.begin(), item.end());
  else
    outcome.skipped = sizeof header;
  finish(*done.group, done.task, std::move(outcome));
  if (most_tasks_ != 0 && worker->given >= most_tasks_ && worker->in_hand.empty()) tell_to_end(*worker);
}

PoolCore::PoolWorker* PoolCore::find_worker(std::uint32_t number) noexcept {
  // They are in the order of their numbers.
  const auto found = std::lower_bound(workers_.begin(), workers_.end(), number,
                                      [](const auto& worker, std::uint32_t n) { return worker->number < n; });
  return found != workers_.end() && (*found)->number == number ? found->get() : nullptr;
}

// May give up the pool's hold of the group, never that of who called. What can throw comes first: a task has not ended, or has as
// a whole.
void PoolCore::finish(TaskGroup& group, std::size_t index, TaskOutcome outcome) {
  TaskGroup::Task& task = group.task(index);
  const TaskEnd end = outcome.end;
  const std::size_t skipped = outcome.skipped;
  auto bytes = std::exchange(outcome.bytes, {});
  if (outcome.letter || !outcome.text.empty()) task.rest = std::make_unique<TaskOutcome>(std::move(outcome));
  touch(group);
  if (group.by_end_ && !group.abandoned_) group.ended_order_.push_back(index);
  task.state = TaskGroup::State::ended;
  task.end = end;
  task.references.reset();
  task.bytes = std::move(bytes);
  task.skipped = skipped;
  ++group.ended_;
  --group.unfinished_;
  if (task.end != TaskEnd::value) ++group.failed_;
}

void PoolCore::touch(TaskGroup& group) {
  if (group.touched_) return;
  touched_.push_back(&group);
  group.touched_ = true;
}

void PoolCore::tell_touched() {
  while (!touched_.empty()) {
    TaskGroup& group = *touched_.front();
    touched_.pop_front();
    group.touched_ = false;
    if (group.early_sleepers_ != 0 || (group.sleepers_ != 0 && group.unfinished_ == 0))
      group.changed_.notify_all();
    if (group.progress_) post_progress(group);
    if (group.unfinished_ != 0) continue;
    if (group.all_ended_event_) {
      const std::uint64_t one = 1;
      (void)!::write(group.all_ended_event_.get(), &one, sizeof one);
    }
    for (auto& callback : group.callbacks_) {
      if (callback) post(std::move(callback));
    }
    group.callbacks_.clear();
    groups_.erase(&group);  // perhaps the last to hold it
  }
}

void PoolCore::post_progress(TaskGroup& group) {
  if (group.progress_posted_) return;
  post([held = group.shared_from_this()] {
    std::function<void(std::size_t)> tell;
    std::size_t ended = 0;
    {
      const auto guard = held->pool_->lock("telling of progress");
      held->progress_posted_ = false;
      tell = held->progress_;
      ended = held->ended_;
    }
    tell(ended);
  });
  group.progress_posted_ = true;
}

bool PoolCore::look_for_reports(Lock& lock, Deadline deadline) {
  const auto begin = Clock::now();
  const auto end = std::min(begin + patience_.most(), deadline.when());
  if (end <= begin) return false;
  const WatchedObject reports = reports_.waitable().object();
  lock.unlock();
  constexpr int kLooks = 64;
  Offering offering;
  bool found = false;
  for (int i = 0; !found && (i < kLooks || Clock::now() < end); ++i) {
    found = reports.ready(reports.state);
    if (found) break;
    if (i < kLooks)
      os::cpu_relax();
    else if (!offering.offer())
      break;
  }
  lock.lock();
  return found;
}

bool PoolCore::look_for_user(Lock& lock, Deadline deadline) {
  ++looking_;
  const bool found = look_for_reports(lock, deadline);
  --looking_;
  looked_ = Clock::now();
  return found;
}

void PoolCore::leave_to_collector() noexcept {
  looked_ = {};
  if (collector_stands_by_) collector_.notify_one();
}

void PoolCore::collect() {
  Lock guard(mutex_);
  try {
    collect_until_end(guard);
  } catch (const std::exception& error) {  // the arena is damaged
    if (!guard.owns_lock()) guard.lock();
    break_pool(fmt::format("taking reports of a pool's workers: {}", error.what()));
  }
}

void PoolCore::collect_until_end(Lock& guard) {
  for (;;) {
    const bool busy = drain();
    if (stop_) return;
    if (looking_ > 0 || Clock::now() - looked_ < kStandBy) {
      collector_stands_by_ = true;
      collector_.wait_for(guard, kStandBy);
      collector_stands_by_ = false;
      continue;
    }
    const auto begin = Clock::now();
    if (busy && look_for_reports(guard, Deadline::never())) continue;
    guard.unlock();
    (void)wait(reports_.waitable());
    guard.lock();
    if (busy) patience_.learn(Clock::now() - begin);
  }
}

}  // namespace polyproc::inline v0
