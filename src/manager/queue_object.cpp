// SPDX-License-Identifier: MIT
#include "manager/queue_object.hpp"

#include <algorithm>

#include "manager/order.hpp"

namespace polyproc::inline v0 {

const Methods<QueueObject>& QueueObject::methods() {
  static const Methods<QueueObject> all{{"put", &QueueObject::put},
                                        {"put_nowait", &QueueObject::put_nowait},
                                        {"get", &QueueObject::get},
                                        {"get_nowait", &QueueObject::get_nowait},
                                        {"task_done", &QueueObject::task_done},
                                        {"join", &QueueObject::join},
                                        {"qsize", &QueueObject::qsize},
                                        {"empty", &QueueObject::empty},
                                        {"full", &QueueObject::full},
                                        {"shutdown", &QueueObject::shutdown}};
  return all;
}

QueueObject::QueueObject(const Arguments& arguments)
    : most_(index_from(arguments.bind({{"maxsize", Object(0)}})[0])) {}

std::string QueueObject::repr() const {
  return fmt::format("<Queue maxsize={} qsize={}>", most_, items_.size());
}

void QueueObject::settle() {
  bool any = true;
  while (any) {
    any = getters_.wake();
    any |= putters_.wake();
  }
}

std::optional<Object> QueueObject::try_put(const Object& item) {
  if (shut_down_) throw PythonError("queue.ShutDown");
  if (is_full()) return std::nullopt;
  items_.push_back(item);
  ++unfinished_;
  return Object();
}

std::optional<Object> QueueObject::try_get() {
  if (items_.empty()) {
    if (shut_down_) throw PythonError("queue.ShutDown");
    return std::nullopt;
  }
  Object item = std::move(items_.front());
  items_.pop_front();
  return item;
}

namespace {

Deadline deadline_of(const Object& block, const Object& timeout) {
  if (!truth(block)) return Deadline::now();
  if (!timeout.is_none() && is_less(timeout, Object(0)))
    throw PythonError("ValueError", "'timeout' must be a non-negative number");
  return deadline_from(timeout);
}

}  // namespace

std::optional<Answer> QueueObject::put_until(Call& call, const Object& item, Deadline until) {
  auto done = call.attempt_or_wait(
      putters_, [this, item] { return try_put(item); }, until,
      []() -> std::optional<Object> { throw PythonError("queue.Full"); });
  if (!done) return std::nullopt;
  settle();
  return std::move(*done);
}

std::optional<Answer> QueueObject::get_until(Call& call, Deadline until) {
  auto item = call.attempt_or_wait(
      getters_, [this] { return try_get(); }, until,
      []() -> std::optional<Object> { throw PythonError("queue.Empty"); });
  if (!item) return std::nullopt;
  settle();
  return std::move(*item);
}

std::optional<Answer> QueueObject::put(Call& call) {
  const auto given = call.bind({"item", {"block", Object(true)}, {"timeout", Object()}});
  return put_until(call, given[0], deadline_of(given[1], given[2]));
}

std::optional<Answer> QueueObject::put_nowait(Call& call) {
  return put_until(call, call.bind({"item"})[0], Deadline::now());
}

std::optional<Answer> QueueObject::get(Call& call) {
  const auto given = call.bind({{"block", Object(true)}, {"timeout", Object()}});
  return get_until(call, deadline_of(given[0], given[1]));
}

std::optional<Answer> QueueObject::get_nowait(Call& call) {
  (void)call.bind({});
  return get_until(call, Deadline::now());
}

std::optional<Answer> QueueObject::task_done(Call& call) {
  (void)call.bind({});
  if (unfinished_ == 0) throw PythonError("ValueError", "task_done() called too many times");
  if (--unfinished_ == 0) joiners_.wake();
  return Object();
}

std::optional<Answer> QueueObject::join(Call& call) {
  (void)call.bind({});
  return call.attempt_or_wait(
      joiners_,
      [this]() -> std::optional<Object> { return unfinished_ == 0 ? std::optional(Object()) : std::nullopt; },
      Deadline::never(), {});
}

std::optional<Answer> QueueObject::qsize(Call& call) {
  (void)call.bind({});
  return Object(items_.size());
}

std::optional<Answer> QueueObject::empty(Call& call) {
  (void)call.bind({});
  return Object(items_.empty());
}

std::optional<Answer> QueueObject::full(Call& call) {
  (void)call.bind({});
  return Object(is_full());
}

// As Python 3.13: `immediate` drops what is in it, as if it had been got and done.
std::optional<Answer> QueueObject::shutdown(Call& call) {
  const auto given = call.bind({{"immediate", Object(false)}});
  shut_down_ = true;
  if (truth(given[0])) {
    unfinished_ -= std::min<std::uint64_t>(unfinished_, items_.size());
    items_.clear();
    if (unfinished_ == 0) joiners_.wake();
  }
  settle();
  return Object();
}

}  // namespace polyproc::inline v0
