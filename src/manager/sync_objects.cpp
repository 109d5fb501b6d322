// SPDX-License-Identifier: MIT
#include "manager/sync_objects.hpp"

#include <limits>

namespace polyproc::inline v0 {

const Methods<EventObject>& EventObject::methods() {
  static const Methods<EventObject> all{{"is_set", &EventObject::is_set},
                                        {"set", &EventObject::set},
                                        {"clear", &EventObject::clear},
                                        {"wait", &EventObject::wait}};
  return all;
}

std::string EventObject::repr() const { return set_ ? "<Event: set>" : "<Event: unset>"; }

std::optional<Answer> EventObject::is_set(Call& call) {
  (void)call.bind({});
  return Object(set_);
}

std::optional<Answer> EventObject::set(Call& call) {
  (void)call.bind({});
  set_ = true;
  waiters_.wake();
  return Object();
}

std::optional<Answer> EventObject::clear(Call& call) {
  (void)call.bind({});
  set_ = false;
  return Object();
}

std::optional<Answer> EventObject::wait(Call& call) {
  const auto given = call.bind({{"timeout", Object()}});
  return call.attempt_or_wait(
      waiters_,
      [this]() -> std::optional<Object> { return set_ ? std::optional(Object(true)) : std::nullopt; },
      deadline_from(given[0]), [this] { return Object(set_); });
}

const Methods<SemaphoreObject>& SemaphoreObject::methods() {
  static const Methods<SemaphoreObject> all{{"acquire", &SemaphoreObject::acquire},
                                            {"release", &SemaphoreObject::release},
                                            {"get_value", &SemaphoreObject::get_value},
                                            {"locked", &SemaphoreObject::locked}};
  return all;
}

SemaphoreObject::SemaphoreObject(Form form, const Arguments& arguments)
    : value_(index_from(arguments.bind({{"value", Object(1)}})[0])),
      most_(form == Form::bounded ? value_ : std::numeric_limits<std::int64_t>::max()) {
  if (value_ < 0) throw PythonError("ValueError", "semaphore initial value must be >= 0");
}

std::string SemaphoreObject::repr() const { return fmt::format("<Semaphore: value={}>", value_); }

std::optional<Answer> SemaphoreObject::acquire(Call& call) {
  const auto given = call.bind({{"blocking", Object(true)}, {"timeout", Object()}});
  if (!truth(given[0]) && !given[1].is_none())
    throw PythonError("ValueError", "can't specify timeout for non-blocking acquire");
  return call.attempt_or_wait(
      waiters_,
      [this]() -> std::optional<Object> {
        if (value_ == 0) return std::nullopt;
        --value_;
        return Object(true);
      },
      truth(given[0]) ? deadline_from(given[1]) : Deadline::now(), [] { return Object(false); });
}

std::optional<Answer> SemaphoreObject::release(Call& call) {
  const std::int64_t count = index_from(call.bind({{"n", Object(1)}})[0]);
  if (count < 1) throw PythonError("ValueError", "n must be one or more");
  if (count > most_ - value_) throw PythonError("ValueError", "Semaphore released too many times");
  value_ += count;
  waiters_.wake();
  return Object();
}

std::optional<Answer> SemaphoreObject::get_value(Call& call) {
  (void)call.bind({});
  return Object(value_);
}

std::optional<Answer> SemaphoreObject::locked(Call& call) {
  (void)call.bind({});
  return Object(value_ == 0);
}

const Methods<BarrierObject>& BarrierObject::methods() {
  static const Methods<BarrierObject> all{{"wait", &BarrierObject::wait},
                                          {"reset", &BarrierObject::reset},
                                          {"abort", &BarrierObject::abort},
                                          {"__getattribute__", &BarrierObject::get_attribute}};
  return all;
}

BarrierObject::BarrierObject(const Arguments& arguments) {
  const auto given = arguments.bind({"parties", {"action", Object()}, {"timeout", Object()}});
  parties_ = index_from(given[0]);
  if (parties_ < 1) throw PythonError("ValueError", "parties must be > 0");
  if (!given[1].is_none())
    throw PythonError(
        "TypeError",
        "Barrier() here takes no action: the server runs no code of its clients; the party that wait() "
        "returns 0 to can do it");
  timeout_ = given[2];
  (void)deadline_from(timeout_);
}

std::string BarrierObject::repr() const {
  return broken_ ? std::string("<Barrier: broken>")
                 : fmt::format("<Barrier: waiters={}/{}>", waiters_.size(), parties_);
}

void BarrierObject::fail_waiting() {
  while (!waiters_.empty()) waiters_.front().fail(PythonError("threading.BrokenBarrierError").exception());
}

void BarrierObject::break_all() {
  broken_ = true;
  fail_waiting();
}

std::optional<Answer> BarrierObject::wait(Call& call) {
  const auto given = call.bind({{"timeout", Object()}});
  const Deadline until = deadline_from(given[0].is_none() ? timeout_ : given[0]);
  if (broken_) throw PythonError("threading.BrokenBarrierError");
  const std::size_t place = waiters_.size();
  if (place + 1 == static_cast<std::size_t>(parties_)) {
    // One that is found gone thereby waits no longer.
    for (std::size_t i = 0; i < place && !waiters_.empty(); ++i) waiters_.front().answer(Object(i));
    return Object(place);
  }
  const auto self = std::static_pointer_cast<BarrierObject>(shared_from_this());
  const auto break_it = [this]() -> std::optional<Object> {
    break_all();
    throw PythonError("threading.BrokenBarrierError");
  };
  if (until.is_now()) return break_it();
  WaitingCall& waiting = call.keep();
  waiting.wait_in(
      waiters_, [] { return std::optional<Object>(); }, until,
      [break_it, &waiting]() -> std::optional<Object> {
        waiting.leave();
        return break_it();
      });
  waiting.if_abandoned([self, generation = generation_] {
    if (self->generation_ == generation) self->break_all();
  });
  return std::nullopt;
}

std::optional<Answer> BarrierObject::reset(Call& call) {
  (void)call.bind({});
  fail_waiting();
  broken_ = false;
  ++generation_;
  return Object();
}

std::optional<Answer> BarrierObject::abort(Call& call) {
  (void)call.bind({});
  break_all();
  return Object();
}

std::optional<Answer> BarrierObject::get_attribute(Call& call) {
  const Object name = call.bind({"name"})[0];
  if (name == Object("parties")) return Object(parties_);
  if (name == Object("n_waiting")) return Object(waiters_.size());
  if (name == Object("broken")) return Object(broken_);
  throw PythonError("AttributeError",
                    fmt::format("'Barrier' object has no attribute {}", name.repr(kLongestName)));
}

}  // namespace polyproc::inline v0
