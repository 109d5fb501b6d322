// SPDX-License-Identifier: MIT
// Future: the result of a task of a pool, when there is one.
//
//     auto area = pool.submit(integrate, 0.0, 1.0);
//     if (!area.wait_for(2s)) ...
//     use(area.get());                     // or the exception of the task, WorkerLost, TimeoutError ...
//     polyproc::wait({area, queue, child}) // among other things
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include <polyproc/pool/task.hpp>

namespace polyproc::inline v0 {

namespace detail {

// Shared by the copies of a Future. The result is read when it is asked for first.
template <class T>
struct FutureState {
  using Value = Stored<T>;
  std::shared_ptr<TaskGroup> group;
  std::function<Value(TaskGroup&)> read;
  std::mutex reading = {};
  std::optional<Value> value = {};
  std::exception_ptr error = {};

  Value& result() {
    (void)group->wait_all(Deadline::never());
    const std::lock_guard guard(reading);
    if (!value && !error) {
      try {
        value.emplace(read(*group));
      } catch (...) {
        error = std::current_exception();
      }
      read = nullptr;
    }
    if (error) std::rethrow_exception(error);
    return *value;
  }
};

template <class T>
Stored<T> read_single(TaskGroup& group) {
  const TaskOutcome outcome = group.take(0);
  outcome.require_result();
  if constexpr (std::is_void_v<T>) {
    return {};
  } else {
    IncomingReferences named(outcome.letter);
    Decoder in(outcome.result(), &named);
    return Transfer<T>::decode(in);
  }
}

}  // namespace detail

// A handle: copies are the same task. Thread-safe but for assignment. The task goes on when all of them are gone.
template <class T>
class Future {
 public:
  explicit Future(std::shared_ptr<detail::FutureState<T>> state) noexcept : state_(std::move(state)) {}

  // Waits for the result, and gives it any number of times. Throws instead what the task threw, as RemoteError; WorkerLost,
  // TimeoutError, Cancelled; Closed when the pool was terminated; DecodeError or CorruptArena for a result that cannot be read.
  decltype(auto) get() const& {
    auto& value = state().result();
    if constexpr (!std::is_void_v<T>) return std::as_const(value);
  }
  // The last one to ask may have it: other copies find it moved from.
  T get() && {
    auto& value = state().result();
    if constexpr (!std::is_void_v<T>) return std::move(value);
  }

  void wait() const { (void)state().group->wait_all(Deadline::never()); }
  // False at the deadline.
  [[nodiscard]] bool wait_until(Deadline deadline) const { return state().group->wait_all(deadline); }
  template <class Rep, class Period>
  [[nodiscard]] bool wait_for(const std::chrono::duration<Rep, Period>& timeout) const {
    return wait_until(Deadline::after(timeout));
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool wait_until(const std::chrono::time_point<Clock, Duration>& when) const {
    return wait_until(Deadline::at(when));
  }
  // It has ended, in whichever way.
  [[nodiscard]] bool ready() const { return state().group->all_ended(); }
  // With a result. Throws UsageError while it has not ended.
  [[nodiscard]] bool successful() const {
    if (!ready())
      throw UsageError("asking whether a task was successful: it has not ended; wait for it first");
    return state().group->all_well();
  }
  // It never runs; get throws Cancelled. False when it has begun, or ended: nothing happens to it. Of several tasks (map_async)
  // those that have not begun are cancelled, and it is true when these were all.
  bool cancel() const { return state().group->cancel(); }
  // Calls `callback(future)` when it has ended, at once if it has, in a thread of the pool: one at a time, in the order in
  // which they ended. What it throws is reported, no more. It may destroy the pool, and must not join it. After the pool's end: in
  // this thread. Throws OsError when the system has no thread for it.
  template <class F>
  void on_done(F callback) const {
    state().group->on_all_ended([held = *this, call = std::move(callback)]() mutable { call(held); });
  }
  // For wait() (wait.hpp): ready when it has ended.
  [[nodiscard]] Waitable waitable() const { return state().group->waitable(); }

 private:
  [[nodiscard]] detail::FutureState<T>& state() const {
    if (!state_) throw UsageError("using a Future: it was moved from");
    return *state_;
  }
  std::shared_ptr<detail::FutureState<T>> state_;
};

}  // namespace polyproc::inline v0
