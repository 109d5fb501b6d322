// SPDX-License-Identifier: MIT
// The pool in the process that has it (docs/decisions/0015-one-queue-for-each-worker.md).
//
// Each worker has a queue of tasks, into which the pool puts no more than keep it busy for a millisecond; all put their reports into
// one queue. So the pool knows, for each worker, what it was given, and in which order it works. When one dies, everything that it
// had reported is in the queue of reports, and everything that it had not taken is in its own: what is in neither is the one task
// that died with it.
//
// One lock. Threads: the collector takes reports while no user's thread waits for results, which takes them itself; the keeper watches
// over the workers; a third one, made when it is needed, runs callbacks.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>
#include <polyproc/pool/byte_pool.hpp>

#include "os/patience.hpp"
#include "pool/worker.hpp"
#include "process/child_table.hpp"
#include "process/process_core.hpp"

namespace polyproc::inline v0 {

class ItemReceiver;

class PoolCore final : public ChildStarter, public std::enable_shared_from_this<PoolCore> {
 public:
  using Clock = std::chrono::steady_clock;
  using Lock = std::unique_lock<std::mutex>;
  static constexpr std::size_t kFrameBytes = 4096;  // tasks up to this length are put together

  PoolCore(const PoolOptions& options, std::shared_ptr<ProcessTarget> initializer);
  PoolCore(const PoolCore&) = delete;
  PoolCore& operator=(const PoolCore&) = delete;
  ~PoolCore();

  void start();
  void close();
  void terminate();
  [[nodiscard]] bool join(Deadline deadline);
  // For the end of the pool's scope: in good order when there is nothing to do. In a callback of the pool's its thread goes on
  // by itself, until all callbacks have been made.
  void end() noexcept;
  // For the end of the process, which waits for no callback.
  void stop_starting() noexcept override;
  [[nodiscard]] bool is_ours() const noexcept;
  [[nodiscard]] int processes() const noexcept { return static_cast<int>(processes_); }
  [[nodiscard]] std::vector<pid_t> worker_pids() const;
  [[nodiscard]] const BlockRef& channel() const noexcept { return reports_.block(); }

  // ---- for TaskGroup. What throws here that is not meant to (no memory, a damaged arena) breaks the pool, since reports that were taken
  // and tasks that were not given would be missed by nobody: then these throw BrokenPool.
  // Throws UsageError in a process that is not the pool's.
  [[nodiscard]] Lock lock(const char* act) const;
  void submit(TaskGroup& group);
  void finish(TaskGroup& group, std::size_t task, TaskOutcome outcome);
  // All of its tasks that no worker has begun. How many.
  std::size_t cancel(TaskGroup& group);
  // Takes all reports that are there, and gives out tasks; true when there were any.
  bool drain();
  // Tells those who wait for groups that have changed.
  void tell_touched();
  // Looks for reports for a while, with the lock given up, and the collector standing by; true when there are some.
  [[nodiscard]] bool look_for_user(Lock& lock, Deadline deadline);
  void learn(Clock::duration waited) noexcept { patience_.learn(waited); }
  // The collector is to take reports: nobody else does.
  void leave_to_collector() noexcept;
  [[nodiscard]] std::size_t appetite() const noexcept;
  // Before the first callback is kept: starts their thread, or throws OsError. False when the pool has ended, and that thread with it.
  [[nodiscard]] bool start_callbacks();
  void post(std::function<void()>&& callback);
  void post_progress(TaskGroup& group);

 private:
  enum class Stage { running, closing, terminated, broken };
  struct InHand {
    std::uint64_t id;
    TaskGroup* group;
    std::size_t task;
  };
  struct Waiting {
    std::shared_ptr<TaskGroup> group;
    std::size_t task;
  };
  struct PoolWorker {
    PoolWorker(std::uint32_t number, ByteQueue tasks) : number(number), tasks(std::move(tasks)) {}
    [[nodiscard]] bool takes_tasks() const noexcept { return ready && !told_to_end && timed_out == 0; }
    std::uint32_t number;
    ByteQueue tasks;
    std::shared_ptr<ProcessCore> process;  // null while it is started
    std::deque<InHand> in_hand;            // in the order in which it gets them
    std::uint64_t given = 0;
    bool ready = false;
    Clock::time_point ready_since;
    bool has_worked = false;  // it has done a task
    bool told_to_end = false;
    bool reported = false;              // since front_since was set
    Clock::time_point front_since;      // the task at the front was there, at the latest
    bool slow = false;                  // for longer than kSlow
    bool unresponsive = false;          // it is stopped where it takes tasks, until it reports
    bool bare = false;                  // nothing could be taken back from it just now
    Clock::time_point look_again{};     // for its end
    std::uint64_t timed_out = 0;        // the id of the task for which it was killed
    Clock::time_point begun;            // when the task at the front was, if that has a timeout
    std::size_t window = kLeastWindow;  // so many tasks at once
    Clock::time_point measured;
    std::size_t answered = 0;  // since then
  };

  static constexpr std::size_t kLeastWindow = 2;  // one to work on, and one that is there when it is done
  static constexpr std::size_t kLargestWindow = 4096;
  static constexpr std::chrono::milliseconds kBusy{1};
  static constexpr auto kSlow = 20 * kBusy;
  static constexpr auto kPutOff = 10 * kBusy;

  // Breaks the pool when `act` throws.
  template <class Act>
  void or_break(const char* doing, Act act);

  // ---- dispatch.cpp
  void feed();
  void give_out();
  [[nodiscard]] std::size_t due() const noexcept { return waiting_ - put_off_.size(); }
  void mark_slow(Clock::time_point now) noexcept;
  void take_back_from_slow();
  [[nodiscard]] bool next_task(InHand& found);
  void remove_next(const InHand& next);
  void forget_cancelled() noexcept;
  [[nodiscard]] PoolWorker* least_loaded();
  void fill(PoolWorker& worker, std::size_t share);
  bool put_task(PoolWorker& worker, const InHand& next, std::size_t& framed);
  void append_frame(const TaskHeader& header, const TaskGroup& group, const TaskGroup::Task& task);
  bool put_alone(PoolWorker& worker, const TaskGroup::Task& task, std::span<const std::byte> bytes);
  bool put_frames(PoolWorker& worker, std::size_t& framed);
  void could_not_put(PoolWorker& worker, std::size_t unsent, const std::string& why);
  [[nodiscard]] bool any_runs() const;
  [[nodiscard]] bool may_fit_later(const InHand& task) const;
  void try_put_off(Clock::time_point now);
  void measure(PoolWorker& worker, Clock::time_point now) noexcept;
  std::size_t take_back(PoolWorker& worker, std::size_t most);
  void take_back(const TaskGroup& group);
  void share_out();
  [[nodiscard]] bool take_back_for_idle();
  void run_again(const InHand& task);

  // ---- collect.cpp
  bool take_reports();
  void collect();
  void collect_until_end(Lock& guard);
  [[nodiscard]] bool look_for_reports(Lock& lock, Deadline deadline);
  void take_report(std::vector<std::byte> item, BlockRef letter);
  void take_report(std::span<const std::byte> item, TaskOutcome outcome);
  [[nodiscard]] PoolWorker* find_worker(std::uint32_t number) noexcept;
  void touch(TaskGroup& group);

  // ---- keeper.cpp
  void keep();
  void watch_over_workers(Lock& guard);
  [[nodiscard]] bool needs_workers() const noexcept;
  void start_missing_workers(Lock& guard);
  void start_worker(Lock& guard);
  void launch(ProcessCore& process, Lock& guard);
  void bury(PoolWorker& worker);
  void count_failed_start(const PoolWorker& worker, int code);
  void end_task_of_dead(PoolWorker& worker, const InHand& task, int code);
  void end_late_tasks();
  void kill_the_slow();
  [[nodiscard]] Deadline next_event() const;
  void nudge_keeper() noexcept;

  // ---- pool_core.cpp
  void require_running() const;
  void break_pool(const std::string& why);
  void fail_all(TaskEnd end, const std::string& why);
  void stop_workers();
  void send_all(int signal) noexcept;
  void end_workers_when_done();
  void tell_to_end(PoolWorker& worker);
  void drain_before_end() noexcept;
  [[nodiscard]] bool wait_for_workers(Lock& guard, Deadline deadline);
  void end_workers(Deadline deadline);
  void run_callbacks();
  void join_threads(std::initializer_list<std::thread*> threads);

  const pid_t owner_;
  const unsigned owner_forks_;  // os::fork_count() there
  const std::size_t processes_;
  const StartMethod method_;
  const std::uint64_t most_tasks_;
  const std::shared_ptr<ProcessTarget> initializer_;
  sigset_t signals_;
  ByteQueue reports_;
  os::Fd nudge_;

  mutable std::mutex mutex_;  // guards what follows
  Stage stage_ = Stage::running;
  std::string why_ended_;
  std::deque<std::unique_ptr<PoolWorker>> workers_;
  std::uint32_t last_number_ = 0;
  std::uint64_t last_task_ = 0;
  std::unordered_map<TaskGroup*, std::shared_ptr<TaskGroup>> groups_;  // with unfinished tasks
  // Tasks that wait for a worker, `waiting_` of them, and some that did until they were cancelled.
  std::deque<Waiting> again_;                       // were given to one before, and go first
  std::deque<std::shared_ptr<TaskGroup>> backlog_;  // have some that were given to none
  std::deque<Waiting> put_off_;                     // could not be put, so that others went past them
  std::size_t waiting_ = 0;
  Clock::time_point put_off_at_{};  // the last one
  std::size_t refusals_ = 0;        // of memory, since tasks were last given out
  std::deque<TaskGroup*> touched_;
  std::vector<std::byte> buffer_;   // of reports
  std::vector<std::byte> frames_;   // of tasks
  std::size_t refused_starts_ = 0;  // since the last that was not
  std::size_t failed_starts_ = 0;   // workers that came to nothing, since the last that did not
  Clock::time_point next_start_{};
  Deadline kill_at_ = Deadline::never();

  LookingTime patience_;
  std::size_t looking_ = 0;  // users' threads
  Clock::time_point looked_{};
  bool collector_stands_by_ = false;
  std::condition_variable collector_;
  bool stop_ = false;
  std::condition_variable ended_;

  std::deque<std::function<void()>> callbacks_;
  std::condition_variable called_;
  std::thread::id callback_thread_id_;  // while it runs
  bool callbacks_end_ = false;

  std::mutex joining_;  // guards what follows, once callbacks_end_ is set; before that the lock does
  std::thread callback_thread_;
  std::thread collector_thread_;
  std::thread keeper_thread_;
};

template <class Act>
void PoolCore::or_break(const char* doing, Act act) {
  try {
    act();
  } catch (const std::exception& error) {
    break_pool(fmt::format("{}: {}", doing, error.what()));
    if (stage_ == Stage::broken) throw BrokenPool(why_ended_);
    throw;
  }
}

template <class Act>
void TaskGroup::for_each_in(State state, Act act) {
  for (auto& [index, task] : passed_) {
    if (task.state == state) act(index);
  }
  for (std::size_t i = 0; i < tasks_.size(); ++i) {
    if (tasks_[i].state == state) act(first_ + i);
  }
}

}  // namespace polyproc::inline v0
