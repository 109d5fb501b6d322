// SPDX-License-Identifier: MIT
#include "manager/call.hpp"

#include <cassert>
#include <utility>

#include "manager/python_error.hpp"
#include "manager/shared_object.hpp"

namespace polyproc::inline v0 {

LockHolder::~LockHolder() = default;

bool HeldLock::is_held() const noexcept {
  const auto still = lock.lock();
  return still && still->is_held_for(client);
}
void HeldLock::release() const {
  if (const auto still = lock.lock()) still->release_for(client);
}

// A waiting call holds the object that its list is in.
CallList::~CallList() { assert(calls_.empty()); }

bool CallList::wake() {
  bool any = false;
  while (!calls_.empty() && calls_.front()->try_again()) any = true;
  return any;
}

WaitingCall::WaitingCall(ClientEnd& client, std::uint64_t number, EventLoop& loop,
                         std::shared_ptr<SharedObject> object)
    : client_(client), number_(number), loop_(loop), object_(std::move(object)) {}

WaitingCall::~WaitingCall() {
  leave();
  if (abandoned_) abandoned_();
}

void WaitingCall::leave() noexcept {
  if (list_ != nullptr) list_->calls_.erase(place_);
  list_ = nullptr;
  if (timer_) loop_.cancel(*timer_);
  timer_.reset();
}

void WaitingCall::wait_in(CallList& list, Attempt attempt, Deadline until, Attempt late) {
  leave();
  list_ = &list;
  place_ = list.calls_.insert(list.calls_.end(), this);
  attempt_ = std::move(attempt);
  late_ = std::move(late);
  if (until.is_never()) return;
  timer_ = loop_.at(until.when(), [this] {
    timer_.reset();
    (void)finish(std::exchange(late_, {}));
  });
}

// Whatever it throws is the answer: who tries is another client's call, a timer or the end of a client.
bool WaitingCall::finish(const Attempt& attempt) {
  std::optional<Object> result, exception;
  try {
    try {
      result = attempt();
    } catch (...) {
      rethrow_as_python_error();
    }
  } catch (const PythonError& error) {
    exception = error.exception();
  }
  if (exception)
    fail(*exception);
  else if (result)
    answer(std::move(*result));
  return exception || result;
}

bool WaitingCall::try_again() {
  const Attempt attempt = attempt_;  // may make it wait elsewhere
  return finish(attempt);
}

void WaitingCall::answer(Object result) {
  abandoned_ = {};
  leave();
  client_.answer(number_, std::move(result));
}
void WaitingCall::fail(const Object& exception) {
  abandoned_ = {};
  leave();
  client_.fail(number_, exception);
}

namespace {

std::uint64_t next_client() noexcept {
  static std::uint64_t last = 0;
  return ++last;
}

}  // namespace

ClientEnd::ClientEnd(EventLoop& loop) noexcept : loop_(loop), id_(next_client()) {}
ClientEnd::~ClientEnd() { give_back(); }

WaitingCall& ClientEnd::keep(std::uint64_t number, std::shared_ptr<SharedObject> object) {
  return *(waiting_[number] = std::make_unique<WaitingCall>(*this, number, loop_, std::move(object)));
}

void ClientEnd::may_hold(const std::shared_ptr<LockHolder>& lock) {
  locks_.insert_or_assign(lock.get(), lock);
  if (locks_.size() < most_locks_) return;
  std::erase_if(locks_, [](const auto& each) { return each.second.expired(); });
  most_locks_ = 2 * locks_.size() + 16;
}

void ClientEnd::answer(std::uint64_t number, Object result) {
  const auto ended = waiting_.extract(number);
  send_result(number, result);
}
void ClientEnd::fail(std::uint64_t number, const Object& exception) {
  const auto ended = waiting_.extract(number);
  send_exception(number, exception);
}

void ClientEnd::withdraw() noexcept {
  for (const auto& [number, call] : waiting_) call->leave();
}

std::vector<HeldLock> ClientEnd::hand_over_locks() {
  std::vector<HeldLock> held;
  for (const auto& [address, lock] : locks_) held.push_back({id_, lock});
  std::erase_if(held, [](const HeldLock& each) { return !each.is_held(); });
  locks_.clear();
  return held;
}

void ClientEnd::give_back() noexcept {
  for (auto ended = std::exchange(waiting_, {}); !ended.empty();) (void)ended.extract(ended.begin());
  for (auto& [address, lock] : std::exchange(locks_, {}))
    if (const auto still = lock.lock()) still->release_for(id_);
}

void ClientEnd::fail_all(const Object& exception) {
  std::vector<std::uint64_t> numbers;
  for (const auto& [number, call] : waiting_) numbers.push_back(number);
  for (const std::uint64_t number : numbers)
    if (const auto found = waiting_.find(number); found != waiting_.end()) found->second->fail(exception);
}

std::optional<Object> Call::attempt_or_wait(CallList& list, const WaitingCall::Attempt& attempt,
                                            Deadline until, const WaitingCall::Attempt& late) const {
  // Who came earlier goes first.
  if (list.empty())
    if (auto result = attempt()) return result;
  if (until.is_now()) return late();
  keep().wait_in(list, attempt, until, late);
  return std::nullopt;
}

}  // namespace polyproc::inline v0
