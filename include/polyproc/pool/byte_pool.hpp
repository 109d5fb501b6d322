// SPDX-License-Identifier: MIT
// The pool of processes that Pool is a typed shell around: tasks and results are bytes, and the shared objects and
// descriptors that they name.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <polyproc/channel/references.hpp>
#include <polyproc/os/deadline.hpp>
#include <polyproc/os/fd.hpp>
#include <polyproc/pool/options.hpp>
#include <polyproc/process/target.hpp>
#include <polyproc/sync/waitable.hpp>

namespace polyproc::inline v0 {

class PoolCore;

// A function as a worker has it, once for all tasks that call it.
class POLYPROC_API TaskFunction {
 public:
  virtual ~TaskFunction();
  // Makes one call. False: `result` tells of exceptions (write_exception) beside results. What it throws is the task's
  // exception.
  virtual bool run(Decoder& arguments, Encoder& result) = 0;
};
// Makes it from what follows its own name (Encoder::write_function) in a group's function.
using DecodeTaskFunction = std::unique_ptr<TaskFunction> (*)(Decoder& in);

// Inside a handler: writes down the type and message of the exception, and where it was thrown. Passes ProcessExit on.
POLYPROC_API void write_exception(Encoder& out);
// So many texts.
inline constexpr int kExceptionParts = 3;
// Throws it, as RemoteError.
[[noreturn]] POLYPROC_API void throw_exception(Decoder& in);

// What the arguments of a task name; descriptors as copies, so that the task can be sent later, and again.
class POLYPROC_API TaskReferences final : public HandleTable {
 public:
  explicit TaskReferences(const BlockRef& channel) : channel_(channel), named_(channel_) {}
  TaskReferences(const TaskReferences&) = delete;
  TaskReferences& operator=(const TaskReferences&) = delete;
  ~TaskReferences() override;
  [[nodiscard]] const OutgoingReferences& named() const noexcept { return named_; }

  std::uint64_t add_block(const BlockRef& block) override;
  std::uint64_t add_descriptor(int descriptor) override;
  BlockRef block(std::uint64_t number) override;
  os::Fd descriptor(std::uint64_t number) override;

 private:
  BlockRef channel_;
  OutgoingReferences named_;
  std::vector<os::Fd> copies_;
};

enum class TaskEnd : std::uint8_t {
  none,    // it has not ended
  value,   // bytes: its result
  partly,  // bytes: its result, in which there are exceptions
  raised,  // bytes: the exception
  lost,    // with its worker, whose exit code is exitcode
  timed_out,
  cancelled,
  ended,    // with its pool
  broken,   // the pool's workers cannot begin
  refused,  // it could not be sent
};

struct POLYPROC_API TaskOutcome {
  TaskEnd end = TaskEnd::none;
  std::vector<std::byte> bytes = {};
  std::size_t skipped = 0;  // of the bytes: they are the pool's own
  BlockRef letter = {};     // what the bytes name
  std::string text = {};    // what happened, but for value, partly and raised
  int exitcode = 0;

  [[nodiscard]] std::span<const std::byte> result() const noexcept {
    return std::span(bytes).subspan(skipped);
  }
  // Throws unless there is a result: RemoteError, WorkerLost, TimeoutError, Cancelled, BrokenPool, Closed, or Error for what could not be sent.
  void require_result() const;
};

// Tasks that call one function, in the order in which they were added, and how they end. Thread-safe, but for add and submit: one
// thread at a time.
class POLYPROC_API TaskGroup : public std::enable_shared_from_this<TaskGroup> {
 public:
  // `by_end`: for wait_next.
  TaskGroup(std::shared_ptr<PoolCore> pool, std::vector<std::byte> function, const TaskOptions& options,
            bool by_end);
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;
  ~TaskGroup();

  // Adds a task whose arguments `write(encoder)` writes.
  template <class Write>
  void add(Write write) {
    if (!references_) references_ = std::make_unique<TaskReferences>(channel());
    Encoder out(references_.get());
    begin_task(out);
    write(out);
    add_task(std::move(out).take_bytes());
  }
  // Gives what was added to the pool. Throws Closed when it takes no more tasks, BrokenPool.
  void submit();

  // Of all that were submitted.
  [[nodiscard]] std::size_t count() const;
  [[nodiscard]] std::size_t count_ended() const;
  [[nodiscard]] bool all_ended() const;
  // All of them have a result without exceptions; false while one runs.
  [[nodiscard]] bool all_well() const;
  // False at the deadline. They throw UsageError when nothing can come of it: for tasks that were not submitted.
  [[nodiscard]] bool wait(std::size_t task, Deadline deadline);
  [[nodiscard]] bool wait_all(Deadline deadline);
  // Until more than `seen` have ended.
  [[nodiscard]] bool wait_more(std::size_t seen, Deadline deadline);
  // The first one to have ended of those not named before.
  [[nodiscard]] std::optional<std::size_t> wait_next(Deadline deadline);
  // Of a task that has ended; once.
  [[nodiscard]] TaskOutcome take(std::size_t task);
  // Of those that have not begun; true when these were all.
  bool cancel();
  // Those that have not begun are cancelled; nobody will ask for the others.
  void abandon() noexcept;

  // Readable once all have ended.
  [[nodiscard]] Waitable waitable();
  // Calls it when all have ended, at once if they have: in the thread of the pool that runs callbacks; in this one when the pool has
  // ended.
  void on_all_ended(std::function<void()> callback);
  // Calls it with the number of those that have ended, now and then, in the same thread.
  void on_progress(std::function<void(std::size_t ended)> callback);
  // How many tasks more keep the pool's workers busy for some milliseconds.
  [[nodiscard]] std::size_t appetite() const;

 private:
  friend class PoolCore;
  enum class State : std::uint8_t { waiting, in_hand, ended, taken };
  struct Task {
    std::vector<std::byte> bytes;                // its arguments, then its result
    std::size_t skipped = 0;                     // of the bytes: those before them
    std::unique_ptr<TaskReferences> references;  // of the arguments
    std::unique_ptr<TaskOutcome> rest;           // when there is more to say than `end` and the bytes
    unsigned losses_left = 0;
    State state = State::waiting;
    TaskEnd end = TaskEnd::none;
  };

  [[nodiscard]] const BlockRef& channel() const noexcept;
  void begin_task(Encoder& out) const;
  void add_task(std::vector<std::byte> arguments);
  // The rest with the pool's lock.
  [[nodiscard]] Task& task(std::size_t index) {
    return index >= first_ ? tasks_[index - first_] : passed_.find(index)->second;
  }
  // Taken: when it is not there any more.
  [[nodiscard]] State state(std::size_t index) const;
  [[nodiscard]] std::size_t end() const noexcept { return first_ + tasks_.size(); }
  // Calls `act(index)` for those in this state.
  template <class Act>
  void for_each_in(State state, Act act);
  void drop_taken();
  template <class Done>
  bool wait_until(Done done, bool early, Deadline deadline);

  const std::shared_ptr<PoolCore> pool_;
  const std::vector<std::byte> function_;
  const TaskOptions options_;
  const bool by_end_;
  std::unique_ptr<TaskReferences> references_;
  std::deque<Task> added_;  // not submitted yet

  // Guarded by the pool's lock.
  std::deque<Task> tasks_;
  std::size_t first_ = 0;               // the index of tasks_.front(): those before it were taken,
  std::map<std::size_t, Task> passed_;  // but for these
  std::size_t taken_ = 0;               // of tasks_
  std::size_t next_ = 0;                // those before it were given to a worker at least once
  std::size_t unfinished_ = 0;
  std::size_t ended_ = 0;
  std::size_t failed_ = 0;
  std::deque<std::size_t> ended_order_;  // not named by wait_next yet
  bool in_backlog_ = false;
  bool abandoned_ = false;
  bool touched_ = false;  // since those who wait were told
  std::condition_variable changed_;
  std::size_t sleepers_ = 0;        // until all have ended
  std::size_t early_sleepers_ = 0;  // until some have
  os::Fd all_ended_event_;
  std::vector<std::function<void()>> callbacks_;
  std::function<void(std::size_t)> progress_;
  bool progress_posted_ = false;
};

// Moved, not copied. In a forked child it is not to be used: UsageError.
class POLYPROC_API BytePool {
 public:
  // `initializer`, which may be null, is run by each worker before anything else. Throws OsError, UsageError.
  BytePool(const PoolOptions& options, std::unique_ptr<ProcessTarget> initializer);
  BytePool(BytePool&&) noexcept = default;
  BytePool& operator=(BytePool&&) noexcept;
  // Ends the workers: those of a pool that has nothing to do in good order, the others as terminate does.
  ~BytePool();

  [[nodiscard]] std::shared_ptr<TaskGroup> group(std::vector<std::byte> function, const TaskOptions& options,
                                                 bool by_end = false) const;
  void close();
  void terminate();
  [[nodiscard]] bool join(Deadline deadline);
  [[nodiscard]] int processes() const;
  [[nodiscard]] std::vector<pid_t> worker_pids() const;

 private:
  [[nodiscard]] PoolCore& core() const;
  void end() noexcept;
  std::shared_ptr<PoolCore> core_;
};

}  // namespace polyproc::inline v0
