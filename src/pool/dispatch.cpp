// SPDX-License-Identifier: MIT
// Which worker gets which task. All with the pool's lock held.
#include <algorithm>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>

#include "pool/item_receiver.hpp"
#include "pool/pool_core.hpp"

namespace polyproc::inline v0 {

void PoolCore::submit(TaskGroup& group) {
  const auto guard = lock("giving a task to a pool");
  require_running();
  const std::size_t count = group.added_.size();
  if (count == 0) return;
  forget_cancelled();
  if (group.unfinished_ == 0) groups_.emplace(&group, group.shared_from_this());
  if (!std::exchange(group.in_backlog_, true)) backlog_.push_back(group.shared_from_this());
  for (auto& task : group.added_) group.tasks_.push_back(std::move(task));
  group.added_.clear();
  group.unfinished_ += count;
  waiting_ += count;
  feed();
  tell_touched();
}

void PoolCore::feed() {
  while (waiting_ > 0) {
    PoolWorker* worker = least_loaded();
    if (worker == nullptr) break;
    const std::size_t before = waiting_;
    fill(*worker, (waiting_ + workers_.size() - 1) / workers_.size());
    if (waiting_ == before) break;
  }
  forget_cancelled();
  if (waiting_ == 0) share_out();
}

// What stands among the waiting tasks and does not wait: no more of it than of others.
void PoolCore::forget_cancelled() noexcept {
  constexpr std::size_t kFew = 64;
  if (waiting_ == 0) again_.clear();
  if (waiting_ != 0 && backlog_.size() <= 2 * groups_.size() + kFew) return;
  std::erase_if(backlog_, [&](const auto& group) {
    group->in_backlog_ = waiting_ != 0 && group->unfinished_ != 0;
    return !group->in_backlog_;
  });
}

// The next task that waits still; it stays where it is.
bool PoolCore::next_task(InHand& found) {
  for (; !again_.empty(); again_.pop_front()) {
    found = {0, again_.front().group.get(), again_.front().task};
    if (found.group->state(found.task) == TaskGroup::State::waiting) return true;
  }
  for (; !backlog_.empty(); backlog_.pop_front()) {
    TaskGroup& group = *backlog_.front();
    for (; group.next_ < group.end(); ++group.next_) {
      found = {0, &group, group.next_};
      if (group.state(group.next_) == TaskGroup::State::waiting) return true;
    }
    group.in_backlog_ = false;
  }
  return false;
}

// It was found, and is given to a worker, or ends.
void PoolCore::remove_next(const InHand& next) {
  --waiting_;
  if (!again_.empty()) return again_.pop_front();
  TaskGroup& group = *next.group;
  if (++group.next_ != group.end()) return;
  group.in_backlog_ = false;
  backlog_.pop_front();
}

PoolCore::PoolWorker* PoolCore::least_loaded() {
  PoolWorker* best = nullptr;
  for (const auto& worker : workers_) {
    const std::size_t load = worker->in_hand.size();
    if (!worker->takes_tasks() || load >= worker->window) continue;
    if (most_tasks_ != 0 && worker->given >= most_tasks_) continue;
    // A task with a timeout has its worker for itself, so that the time when it begins is known.
    if (load != 0 && worker->in_hand.front().group->options_.timeout.count() != 0) continue;
    if (best == nullptr || load < best->in_hand.size()) best = worker.get();
  }
  return best;
}

void PoolCore::fill(PoolWorker& worker, std::size_t share) {
  const auto now = Clock::now();
  measure(worker, now);
  std::size_t room = std::min(share, worker.window - worker.in_hand.size());
  if (most_tasks_ != 0) room = std::min<std::size_t>(room, most_tasks_ - worker.given);
  const bool was_idle = worker.in_hand.empty();
  frames_.clear();
  std::size_t framed = 0;
  for (InHand next{}; room > 0 && next_task(next); --room) {
    const bool limited = next.group->options_.timeout.count() != 0;
    if (limited && !worker.in_hand.empty()) break;
    if (!put_task(worker, next, framed)) return;
    if (limited) break;
  }
  if (!put_frames(worker, framed)) return;
  if (was_idle && !worker.in_hand.empty() && worker.in_hand.front().group->options_.timeout.count() != 0) {
    worker.begun = Clock::now();
    nudge_keeper();
  }
}

// Short tasks are collected in frames_, `framed` of them. False when the worker could not be given what it was to be.
bool PoolCore::put_task(PoolWorker& worker, const InHand& next, std::size_t& framed) {
  TaskGroup::Task& task = next.group->task(next.task);
  const bool alone = task.skipped != 0 || task.references;
  if (alone && !put_frames(worker, framed)) return false;
  const TaskHeader header{++last_task_, next.group->function_.size()};
  remove_next(next);
  task.state = TaskGroup::State::in_hand;
  ++worker.given;
  worker.in_hand.push_back({header.task, next.group, next.task});
  if (task.skipped != 0) {
    std::memcpy(task.bytes.data(), &header, sizeof header);
    return put_alone(worker, task, task.bytes);
  }
  append_frame(header, *next.group, task);
  ++framed;
  if (!alone) return true;
  const std::size_t size = sizeof header + header.function_size + task.bytes.size();
  const bool done = put_alone(worker, task, std::span(frames_).subspan(sizeof(std::uint64_t), size));
  frames_.clear();
  framed = 0;
  return done;
}

void PoolCore::append_frame(const TaskHeader& header, const TaskGroup& group, const TaskGroup::Task& task) {
  const std::size_t size = sizeof header + group.function_.size() + task.bytes.size();
  const std::uint64_t frame = std::uint64_t{size} << 3;
  const std::size_t at = frames_.size();
  frames_.resize(at + sizeof frame + (size + 7) / 8 * 8);
  std::byte* place = frames_.data() + at;
  for (const auto part : {std::as_bytes(std::span(&frame, 1)), std::as_bytes(std::span(&header, 1)),
                          std::as_bytes(std::span(group.function_)), std::as_bytes(std::span(task.bytes))}) {
    if (!part.empty()) std::memcpy(place, part.data(), part.size());
    place += part.size();
  }
}

bool PoolCore::put_alone(PoolWorker& worker, const TaskGroup::Task& task, std::span<const std::byte> bytes) {
  try {
    if (task.references)
      (void)worker.tasks.put_letter(bytes.data(), bytes.size(), task.references->named(), Deadline::never());
    else
      (void)worker.tasks.put(bytes.data(), bytes.size(), Deadline::never());
    return true;
  } catch (const std::exception& error) {
    could_not_put(worker, 1, error.what());
    return false;
  }
}

bool PoolCore::put_frames(PoolWorker& worker, std::size_t& framed) {
  std::span<const std::byte> rest = frames_;
  try {
    while (!rest.empty()) (void)worker.tasks.put_frames(rest, Deadline::never());
  } catch (const std::exception& error) {
    std::size_t unsent = 0;
    for (; !rest.empty(); ++unsent) {
      std::uint64_t frame = 0;
      std::memcpy(&frame, rest.data(), sizeof frame);
      rest = rest.subspan(sizeof frame + ((frame >> 3) + 7) / 8 * 8);
    }
    could_not_put(worker, unsent, error.what());
    return false;
  }
  frames_.clear();
  framed = 0;
  return true;
}

// Memory comes free when others end; a task for which there is none though no other runs ends with the reason.
void PoolCore::could_not_put(PoolWorker& worker, std::size_t unsent, const std::string& why) {
  frames_.clear();
  for (; unsent > 0; --unsent) {
    run_again(worker.in_hand.back());
    worker.in_hand.pop_back();
    --worker.given;
  }
  const bool any_runs =
      std::any_of(workers_.begin(), workers_.end(), [](const auto& each) { return !each->in_hand.empty(); });
  InHand first{};
  if (!any_runs && next_task(first)) {
    remove_next(first);
    finish(*first.group, first.task,
           {.end = TaskEnd::refused, .text = "giving a task to a pool's worker: " + why});
  }
}

void PoolCore::run_again(const InHand& task) {
  task.group->task(task.task).state = TaskGroup::State::waiting;
  again_.push_front({task.group->shared_from_this(), task.task});
  ++waiting_;
}

// The window is what a worker does in kBusy, as far as that is known.
void PoolCore::measure(PoolWorker& worker, Clock::time_point now) noexcept {
  if (worker.in_hand.empty() && worker.answered == 0) {
    worker.measured = now;
    return;
  }
  const auto passed = now - worker.measured;
  if (worker.answered == 0 || passed < kBusy / 10) return;
  const double rate = static_cast<double>(worker.answered) * std::chrono::duration<double>(kBusy) /
                      std::chrono::duration<double>(passed);
  const auto wanted = static_cast<std::size_t>(std::min<double>(rate, kLargestWindow));
  worker.window = std::clamp(wanted, kLeastWindow, worker.window * 2);
  worker.measured = now;
  worker.answered = 0;
}

// At most so many tasks that the worker has not taken are no longer its own, but wait again, and go first.
std::size_t PoolCore::take_back(PoolWorker& worker, std::size_t most) {
  std::vector<InHand> taken;
  while (taken.size() < most) {
    ItemReceiver item;
    if (worker.tasks.get(item, Deadline::now()) != QueueStatus::done) break;
    std::span<const std::byte> bytes = item.bytes();
    const auto id = read_header<TaskHeader>(bytes).task;
    const auto found = std::find_if(worker.in_hand.begin(), worker.in_hand.end(),
                                    [&](const InHand& each) { return each.id == id; });
    if (found == worker.in_hand.end()) continue;
    taken.push_back(*found);
    worker.in_hand.erase(found);
    --worker.given;
  }
  for (auto each = taken.rbegin(); each != taken.rend(); ++each) run_again(*each);
  return taken.size();
}

// Nothing waits: workers that have nothing to do get half of what others have not begun.
void PoolCore::share_out() {
  for (const auto& idle : workers_) {
    if (!idle->takes_tasks() || !idle->in_hand.empty()) continue;
    if (most_tasks_ != 0 && idle->given >= most_tasks_) continue;
    const auto richest = std::max_element(workers_.begin(), workers_.end(), [](const auto& a, const auto& b) {
      return a->in_hand.size() < b->in_hand.size();
    });
    const std::size_t load = (*richest)->in_hand.size();
    if (load < 2 || take_back(**richest, load / 2) == 0) return;
    while (waiting_ > 0) {
      const std::size_t before = waiting_;
      fill(*idle, waiting_);
      if (waiting_ == before) break;
    }
    if (waiting_ > 0) return;
  }
}

std::size_t PoolCore::cancel(TaskGroup& group) {
  drain();
  bool any_in_hand = false;
  group.for_each_in(TaskGroup::State::in_hand, [&](std::size_t) { any_in_hand = true; });
  if (any_in_hand) take_back(group);
  std::size_t cancelled = 0;
  group.for_each_in(TaskGroup::State::waiting, [&](std::size_t index) {
    finish(group, index, {.end = TaskEnd::cancelled, .text = "running a task in a pool: it was cancelled"});
    ++cancelled;
  });
  waiting_ -= cancelled;
  feed();
  tell_touched();
  end_workers_when_done();
  return cancelled;
}

// From workers that have some of its tasks, what they have not begun. They get little of it again: more may be cancelled.
void PoolCore::take_back(const TaskGroup& group) {
  for (const auto& worker : workers_) {
    const bool has_some = std::any_of(worker->in_hand.begin(), worker->in_hand.end(),
                                      [&](const InHand& each) { return each.group == &group; });
    if (has_some && take_back(*worker, worker->in_hand.size()) > 0) worker->window = kLeastWindow;
  }
}

std::size_t PoolCore::appetite() const noexcept {
  std::size_t all = 0;
  for (const auto& worker : workers_) all += worker->window;
  return std::max(all, processes_ * kLeastWindow) * 2;
}

}  // namespace polyproc::inline v0
