// SPDX-License-Identifier: MIT
// Lock, RLock and Condition, shared. A client that goes while it holds one gives it back: the next who asks for it gets an OSError
// (EOWNERDEAD) once, and the lock is free.
#pragma once

#include "manager/shared_object.hpp"

namespace polyproc::inline v0 {

class LockObject : public WithMethods<LockObject>, public LockHolder {
 public:
  enum class Form : std::uint8_t { plain, recursive };

  explicit LockObject(Form form) noexcept : form_(form) {}
  static const Methods<LockObject>& methods();
  [[nodiscard]] std::string repr() const override;
  void release_for(std::uint64_t client) override;
  [[nodiscard]] bool is_held_for(std::uint64_t client) const noexcept override {
    return count_ != 0 && owner_.client == client;
  }

  // True when it is the caller's now. Throws PythonError when its owner has died.
  [[nodiscard]] bool try_take(const Caller& caller, std::uint64_t count = 1);
  void release(const Caller& caller);
  // A plain one is anybody's who says so, as in Python.
  [[nodiscard]] bool is_held_by(const Caller& caller) const noexcept;
  // How many times; give_up() lets it go however many these are.
  [[nodiscard]] std::uint64_t held() const noexcept { return count_; }
  void give_up() { set_free(); }
  [[nodiscard]] CallList& waiters() noexcept { return waiters_; }

  std::optional<Answer> acquire(Call& call);
  std::optional<Answer> release(Call& call);
  std::optional<Answer> locked(Call& call);

 private:
  void set_free();

  Form form_;
  Caller owner_;
  std::uint64_t count_ = 0;
  bool abandoned_ = false;
  CallList waiters_;
};

class ConditionObject : public WithMethods<ConditionObject> {
 public:
  explicit ConditionObject(std::shared_ptr<LockObject> lock) noexcept : lock_(std::move(lock)) {}
  static const Methods<ConditionObject>& methods();

 private:
  std::optional<Answer> acquire(Call& call);
  std::optional<Answer> release(Call& call);
  std::optional<Answer> wait(Call& call);
  std::optional<Answer> notify(Call& call);
  std::optional<Answer> notify_all(Call& call);
  void check_held(const Call& call, const char* act) const;
  void notify_waiting(std::size_t count);
  // Waits for the lock, and answers `result` then.
  void take_lock_again(WaitingCall& call, const Caller& caller, std::uint64_t count, bool result);

  std::shared_ptr<LockObject> lock_;
  CallList sleepers_;
};

}  // namespace polyproc::inline v0
