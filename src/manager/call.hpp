// SPDX-License-Identifier: MIT
// Calls on shared objects, and those that wait: for an item, a lock, an event. A call that waits costs no thread, only its place
// in a list; its client's end takes it out.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <polyproc/os/deadline.hpp>

#include "manager/arguments.hpp"
#include "manager/event_loop.hpp"

namespace polyproc::inline v0 {

class ClientEnd;
class SharedObject;
class WaitingCall;

// A thread of a client: who holds a lock.
struct Caller {
  std::uint64_t client = 0;  // 0: nobody
  std::uint64_t thread = 0;
  friend bool operator==(const Caller&, const Caller&) = default;
  explicit operator bool() const noexcept { return client != 0; }
};

// In the order of their arrival.
class CallList {
 public:
  CallList() = default;
  CallList(const CallList&) = delete;
  CallList& operator=(const CallList&) = delete;
  ~CallList();

  // Lets the first ones go on, until there is one that cannot; whether any could.
  bool wake();
  [[nodiscard]] bool empty() const noexcept { return calls_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return calls_.size(); }
  [[nodiscard]] WaitingCall& front() const noexcept { return *calls_.front(); }

 private:
  friend class WaitingCall;
  std::list<WaitingCall*> calls_;
};

class WaitingCall {
 public:
  // The answer, or nothing when the call goes on waiting. May throw PythonError, which is an answer as well.
  using Attempt = std::function<std::optional<Object>()>;

  WaitingCall(ClientEnd& client, std::uint64_t number, EventLoop& loop, std::shared_ptr<SharedObject> object);
  WaitingCall(const WaitingCall&) = delete;
  WaitingCall& operator=(const WaitingCall&) = delete;
  // Its client is gone, or it has its answer.
  ~WaitingCall();

  // Waits in the list, and no longer where it waited before: `attempt` is made when it is woken, `late` at the deadline.
  void wait_in(CallList& list, Attempt attempt, Deadline until, Attempt late);
  // Waits in no list any more.
  void leave() noexcept;
  // What is done when its client goes while it waits.
  void if_abandoned(std::function<void()> action) { abandoned_ = std::move(action); }

  // Tries to go on; true when it was answered, and does not exist any more.
  bool try_again();
  void answer(Object result);
  void fail(const Object& exception);

 private:
  bool finish(const Attempt& attempt);

  ClientEnd& client_;
  std::uint64_t number_;
  EventLoop& loop_;
  std::shared_ptr<SharedObject> object_;  // lives as long as somebody waits for it
  CallList* list_ = nullptr;
  std::list<WaitingCall*>::iterator place_;
  std::optional<EventLoop::Timer> timer_;
  Attempt attempt_, late_;
  std::function<void()> abandoned_;
};

// What a client's end does with locks that it holds.
class LockHolder {
 public:
  virtual ~LockHolder();
  // The client is gone.
  virtual void release_for(std::uint64_t client) = 0;
  [[nodiscard]] virtual bool is_held_for(std::uint64_t client) const noexcept = 0;
};

// What a client's connection that is gone has held.
struct HeldLock {
  std::uint64_t client;
  std::weak_ptr<LockHolder> lock;
  [[nodiscard]] bool is_held() const noexcept;
  void release() const;
};

// A client as objects see it: where answers go, and what it holds.
class ClientEnd {
 public:
  explicit ClientEnd(EventLoop& loop) noexcept;
  ClientEnd(const ClientEnd&) = delete;
  ClientEnd& operator=(const ClientEnd&) = delete;
  virtual ~ClientEnd();

  // Never the same for two.
  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
  [[nodiscard]] EventLoop& loop() const noexcept { return loop_; }

  [[nodiscard]] WaitingCall& keep(std::uint64_t number, std::shared_ptr<SharedObject> object);
  // It may hold this lock from now on.
  void may_hold(const std::shared_ptr<LockHolder>& lock);
  void answer(std::uint64_t number, Object result);
  void fail(std::uint64_t number, const Object& exception);
  [[nodiscard]] bool is_waiting(std::uint64_t number) const { return waiting_.contains(number); }
  // It is gone: its calls wait in no list any more, so that nothing is given to them. What follows from that for others has its
  // turn with give_back().
  void withdraw() noexcept;
  // The locks that it holds, which give_back() does not give back then.
  [[nodiscard]] std::vector<HeldLock> hand_over_locks();
  // Ends its waiting calls, and gives back its locks.
  void give_back() noexcept;
  // Answers all that wait with this exception.
  void fail_all(const Object& exception);

 protected:
  virtual void send_result(std::uint64_t number, const Object& result) = 0;
  virtual void send_exception(std::uint64_t number, const Object& exception) = 0;

 private:
  EventLoop& loop_;
  std::uint64_t id_;
  std::unordered_map<std::uint64_t, std::unique_ptr<WaitingCall>> waiting_;
  std::unordered_map<LockHolder*, std::weak_ptr<LockHolder>> locks_;
  std::size_t most_locks_ = 16;  // at which those that are gone are looked for
};

// One call of a method.
class Call {
 public:
  Call(ClientEnd& client, std::uint64_t number, std::uint64_t thread, std::shared_ptr<SharedObject> object,
       Arguments arguments)
      : client_(client),
        number_(number),
        thread_(thread),
        object_(std::move(object)),
        arguments_(std::move(arguments)) {}

  [[nodiscard]] const Arguments& arguments() const noexcept { return arguments_; }
  [[nodiscard]] std::vector<Object> bind(std::initializer_list<Parameter> parameters) const {
    return arguments_.bind(parameters);
  }
  [[nodiscard]] Caller caller() const noexcept { return {client_.id(), thread_}; }
  [[nodiscard]] ClientEnd& client() const noexcept { return client_; }

  // It cannot be answered now.
  [[nodiscard]] WaitingCall& keep() const { return client_.keep(number_, object_); }
  // Tries now, and, unless the deadline is now, whenever the list is woken.
  [[nodiscard]] std::optional<Object> attempt_or_wait(CallList& list, const WaitingCall::Attempt& attempt,
                                                      Deadline until, const WaitingCall::Attempt& late) const;

 private:
  ClientEnd& client_;
  std::uint64_t number_, thread_;
  std::shared_ptr<SharedObject> object_;
  Arguments arguments_;
};

}  // namespace polyproc::inline v0
