// SPDX-License-Identifier: MIT
#include "manager/lock_objects.hpp"

#include <algorithm>
#include <cerrno>

namespace polyproc::inline v0 {

const Methods<LockObject>& LockObject::methods() {
  static const Methods<LockObject> all{
      {"acquire", &LockObject::acquire}, {"release", &LockObject::release}, {"locked", &LockObject::locked}};
  return all;
}

std::string LockObject::repr() const {
  return fmt::format("<{} {}>", count_ == 0 ? "unlocked" : "locked",
                     form_ == Form::recursive ? "RLock" : "Lock");
}

bool LockObject::try_take(const Caller& caller, std::uint64_t count) {
  if (form_ == Form::recursive && count_ != 0 && owner_ == caller) {
    count_ += count;
    return true;
  }
  if (count_ != 0) return false;
  if (std::exchange(abandoned_, false))
    throw PythonError("OSError", Object(EOWNERDEAD),
                      "the client that held this lock is gone: what it guards may be half changed");
  owner_ = caller;
  count_ = count;
  return true;
}

void LockObject::set_free() {
  owner_ = {};
  count_ = 0;
  waiters_.wake();
}

void LockObject::release(const Caller& caller) {
  if (form_ == Form::plain && count_ == 0) throw PythonError("RuntimeError", "release unlocked lock");
  if (form_ == Form::recursive && !is_held_by(caller))
    throw PythonError("RuntimeError", "cannot release un-acquired lock");
  if (--count_ == 0) set_free();
}

bool LockObject::is_held_by(const Caller& caller) const noexcept {
  return count_ != 0 && (form_ == Form::plain || owner_ == caller);
}

void LockObject::release_for(std::uint64_t client) {
  if (!is_held_for(client)) return;
  abandoned_ = true;
  set_free();
}

std::optional<Answer> LockObject::acquire(Call& call) {
  const auto given = call.bind({{"blocking", Object(true)}, {"timeout", Object()}});
  const bool unlimited = given[1].is_none() || given[1] == Object(-1);
  const bool blocking = truth(given[0]);
  if (!blocking && !unlimited)
    throw PythonError("ValueError", "can't specify a timeout for a non-blocking call");
  if (!unlimited && given[1].kind() != Kind::floating && index_from(given[1]) < 0)
    throw PythonError("ValueError", "timeout value must be a non-negative number");
  const Deadline until = !blocking   ? Deadline::now()
                         : unlimited ? Deadline::never()
                                     : deadline_from(given[1]);
  const Caller caller = call.caller();
  call.client().may_hold(std::static_pointer_cast<LockObject>(shared_from_this()));
  const auto take = [this, caller]() -> std::optional<Object> {
    if (try_take(caller)) return Object(true);
    return std::nullopt;
  };
  if (form_ == Form::recursive && is_held_by(caller)) return take();  // goes before all who wait
  return call.attempt_or_wait(waiters_, take, until, [] { return Object(false); });
}

std::optional<Answer> LockObject::release(Call& call) {
  release(call.caller());
  return Object();
}

std::optional<Answer> LockObject::locked(Call& call) {
  (void)call.bind({});
  return Object(count_ != 0);
}

const Methods<ConditionObject>& ConditionObject::methods() {
  static const Methods<ConditionObject> all{{"acquire", &ConditionObject::acquire},
                                            {"release", &ConditionObject::release},
                                            {"wait", &ConditionObject::wait},
                                            {"notify", &ConditionObject::notify},
                                            {"notify_all", &ConditionObject::notify_all}};
  return all;
}

std::optional<Answer> ConditionObject::acquire(Call& call) { return lock_->acquire(call); }
std::optional<Answer> ConditionObject::release(Call& call) { return lock_->release(call); }

void ConditionObject::check_held(const Call& call, const char* act) const {
  if (!lock_->is_held_by(call.caller()))
    throw PythonError("RuntimeError", fmt::format("cannot {} on un-acquired lock", act));
}

void ConditionObject::take_lock_again(WaitingCall& waiting, const Caller& caller, std::uint64_t count,
                                      bool result) {
  const auto lock = lock_;
  waiting.wait_in(lock->waiters(),
                  [lock, caller, count, result]() -> std::optional<Object> {
                    if (lock->try_take(caller, count)) return Object(result);
                    return std::nullopt;
                  },
                  Deadline::never(), {});
  lock->waiters().wake();
}

// A notification that reaches a client which goes before it has the lock again is passed on.
std::optional<Answer> ConditionObject::wait(Call& call) {
  const auto given = call.bind({{"timeout", Object()}});
  check_held(call, "wait");
  const Deadline until = deadline_from(given[0]);
  const Caller caller = call.caller();
  WaitingCall& waiting = call.keep();
  const std::uint64_t count = lock_->held();
  const auto self = std::static_pointer_cast<ConditionObject>(shared_from_this());
  waiting.wait_in(
      sleepers_,
      [this, self, &waiting, caller, count]() -> std::optional<Object> {
        waiting.if_abandoned([self] { self->notify_waiting(1); });
        take_lock_again(waiting, caller, count, true);
        return std::nullopt;
      },
      until,
      [this, self, &waiting, caller, count]() -> std::optional<Object> {
        take_lock_again(waiting, caller, count, false);
        return std::nullopt;
      });
  lock_->give_up();
  return std::nullopt;
}

void ConditionObject::notify_waiting(std::size_t count) {
  for (count = std::min(count, sleepers_.size()); count != 0 && !sleepers_.empty(); --count)
    (void)sleepers_.front().try_again();
}

std::optional<Answer> ConditionObject::notify(Call& call) {
  const auto given = call.bind({{"n", Object(1)}});
  check_held(call, "notify");
  notify_waiting(static_cast<std::size_t>(std::max<std::int64_t>(index_from(given[0]), 0)));
  return Object();
}

std::optional<Answer> ConditionObject::notify_all(Call& call) {
  (void)call.bind({});
  check_held(call, "notify");
  notify_waiting(sleepers_.size());
  return Object();
}

}  // namespace polyproc::inline v0
