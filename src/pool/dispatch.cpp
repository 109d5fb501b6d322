// SPDX-License-Identifier: MIT
// Which worker gets which task. All with the pool's lock held.
#include <algorithm>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>

#include "pool/item_receiver.hpp"
#include "pool/pool_core.hpp"

namespace polyproc::inline v0 {
namespace {

// Of memory, in one pass: each costs the arena a search for some.
constexpr std::size_t kMostRefusals = 4;
// Who does not let go of its queue for half of what the queue waits for (kCourtesy) is stopped.
constexpr std::chrono::milliseconds kStopped{500};

}  // namespace

void PoolCore::submit(TaskGroup& group) {
  const auto guard = lock("giving a task to a pool");
  require_running();
  if (group.added_.empty()) return;
  or_break("giving tasks to a pool's workers", [&] {
    forget_cancelled();
    if (group.unfinished_ == 0) groups_.emplace(&group, group.shared_from_this());
    if (!std::exchange(group.in_backlog_, true)) backlog_.push_back(group.shared_from_this());
    for (auto& task : group.added_) {
      group.tasks_.push_back(std::move(task));
      ++group.unfinished_;
      ++waiting_;
    }
    group.added_.clear();
    feed();
    tell_touched();
  });
}

void PoolCore::feed() {
  or_break("giving tasks to a pool's workers", [&] { give_out(); });
}

void PoolCore::give_out() {
  const auto now = Clock::now();
  refusals_ = 0;
  mark_slow(now);
  try_put_off(now);
  take_back_from_slow();
  while (due() > 0 && refusals_ < kMostRefusals) {
    PoolWorker* worker = least_loaded();
    if (worker == nullptr) break;
    const std::size_t before = due();
    fill(*worker, (due() + workers_.size() - 1) / workers_.size());
    // No progress, though not because the worker turned out to have enough already.
    if (due() == before && worker->in_hand.size() < worker->window) break;
  }
  forget_cancelled();
  if (due() == 0) share_out();
}

void PoolCore::mark_slow(Clock::time_point now) noexcept {
  for (const auto& worker : workers_) {
    if (std::exchange(worker->reported, false)) worker->front_since = now;
    worker->slow = !worker->in_hand.empty() && now - worker->front_since > kSlow;
  }
}

// What lies behind a task that runs for long goes first to others, as soon as one of them could take it: which is now, or when it
// reports. So nothing needs to look at the clock meanwhile.
void PoolCore::take_back_from_slow() {
  for (const auto& worker : workers_) {
    if (!worker->slow || worker->in_hand.size() < 2) continue;
    if (least_loaded() == nullptr) return;
    (void)take_back(*worker, worker->in_hand.size() - 1);
  }
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
    if (!worker->takes_tasks() || load >= worker->window || worker->slow) continue;
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
  if (worker.in_hand.size() >= worker.window) return;
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
  if (was_idle) worker.front_since = now;
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

// Memory comes free when others end. Until then later tasks go past one for which there is none; when no other runs, or it can never
// fit, it ends with the reason.
void PoolCore::could_not_put(PoolWorker& worker, std::size_t unsent, const std::string& why) {
  frames_.clear();
  const auto take_last = [&] {
    const InHand last = worker.in_hand.back();
    worker.in_hand.pop_back();
    --worker.given;
    return last;
  };
  for (; unsent > 1; --unsent) run_again(take_last());
  const InHand first = take_last();
  if (!may_fit_later(first)) {
    finish(*first.group, first.task,
           {.end = TaskEnd::refused, .text = "giving a task to a pool's worker: " + why});
    return;
  }
  first.group->task(first.task).state = TaskGroup::State::waiting;
  put_off_.push_back({first.group->shared_from_this(), first.task});
  put_off_at_ = Clock::now();
  ++waiting_;
  ++refusals_;
  nudge_keeper();
}

bool PoolCore::any_runs() const {
  return std::any_of(workers_.begin(), workers_.end(),
                     [](const auto& each) { return !each->in_hand.empty(); });
}

bool PoolCore::may_fit_later(const InHand& task) const {
  return any_runs() && task.group->task(task.task).bytes.size() < Arena::family().stats().limit;
}

// One of them now and then, as the attempt costs time; and when nothing runs, whose end would be the occasion for the next one.
void PoolCore::try_put_off(Clock::time_point now) {
  if (put_off_.empty()) return;
  if (any_runs() && now - put_off_at_ < kPutOff) return;
  again_.push_front(std::move(put_off_.front()));
  put_off_.pop_front();
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
  if (worker.unresponsive) return 0;
  std::vector<InHand> taken;
  or_break("taking tasks back from a pool's worker", [&] {
    while (taken.size() < most) {
      ItemReceiver item;
      const auto begin = Clock::now();
      if (worker.tasks.get(item, Deadline::now()) != QueueStatus::done) {
        worker.unresponsive = Clock::now() - begin >= kStopped;
        break;
      }
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
  });
  return taken.size();
}

// Nothing waits: workers that have nothing to do get half of what others have not begun.
void PoolCore::share_out() {
  for (const auto& worker : workers_) worker->bare = false;
  for (const auto& idle : workers_) {
    if (!idle->takes_tasks() || !idle->in_hand.empty()) continue;
    if (most_tasks_ != 0 && idle->given >= most_tasks_) continue;
    if (!take_back_for_idle()) return;
    while (due() > 0 && refusals_ < kMostRefusals) {
      const std::size_t before = due();
      fill(*idle, due());
      if (due() == before) break;
    }
    if (due() > 0) return;
  }
}

// From the one that has most.
bool PoolCore::take_back_for_idle() {
  for (;;) {
    PoolWorker* richest = nullptr;
    for (const auto& worker : workers_) {
      if (worker->bare || worker->in_hand.size() < 2) continue;
      if (richest == nullptr || worker->in_hand.size() > richest->in_hand.size()) richest = worker.get();
    }
    if (richest == nullptr) return false;
    if (take_back(*richest, richest->in_hand.size() / 2) != 0) return true;
    richest->bare = true;
  }
}

std::size_t PoolCore::cancel(TaskGroup& group) {
  drain();
  bool any_in_hand = false;
  group.for_each_in(TaskGroup::State::in_hand, [&](std::size_t) { any_in_hand = true; });
  if (any_in_hand) take_back(group);
  std::size_t cancelled = 0;
  or_break("cancelling tasks of a pool", [&] {
    std::erase_if(put_off_, [&](const Waiting& each) { return each.group.get() == &group; });
    group.for_each_in(TaskGroup::State::waiting, [&](std::size_t index) {
      finish(group, index, {.end = TaskEnd::cancelled, .text = "running a task in a pool: it was cancelled"});
      --waiting_;
      ++cancelled;
    });
    feed();
    tell_touched();
    end_workers_when_done();
  });
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
