// SPDX-License-Identifier: MIT
// Event, Semaphore, BoundedSemaphore and Barrier, shared.
#pragma once

#include <optional>

#include "manager/shared_object.hpp"

namespace polyproc::inline v0 {

class SharedEvent : public WithMethods<SharedEvent> {
 public:
  static const Methods<SharedEvent>& methods();
  [[nodiscard]] std::string repr() const override;

 private:
  std::optional<Answer> is_set(Call& call);
  std::optional<Answer> set(Call& call);
  std::optional<Answer> clear(Call& call);
  std::optional<Answer> wait(Call& call);

  bool set_ = false;
  WaitList waiters_;
};

class SharedSemaphore : public WithMethods<SharedSemaphore> {
 public:
  enum class Form : std::uint8_t { unbounded, bounded };

  // Semaphore(value=1)
  SharedSemaphore(Form form, const Arguments& arguments);
  static const Methods<SharedSemaphore>& methods();
  [[nodiscard]] std::string repr() const override;

 private:
  std::optional<Answer> acquire(Call& call);
  std::optional<Answer> release(Call& call);
  std::optional<Answer> get_value(Call& call);
  std::optional<Answer> locked(Call& call);

  std::int64_t value_;
  std::int64_t most_;
  WaitList waiters_;
};

// A party whose client goes while it waits breaks it for the others.
class SharedBarrier : public WithMethods<SharedBarrier> {
 public:
  // Barrier(parties, action=None, timeout=None)
  explicit SharedBarrier(const Arguments& arguments);
  static const Methods<SharedBarrier>& methods();
  [[nodiscard]] std::string repr() const override;

 private:
  std::optional<Answer> wait(Call& call);
  std::optional<Answer> reset(Call& call);
  std::optional<Answer> abort(Call& call);
  std::optional<Answer> get_attribute(Call& call);
  void fail_waiting();
  void break_all();

  std::int64_t parties_;
  Object timeout_;
  bool broken_ = false;
  WaitList waiters_;
};

}  // namespace polyproc::inline v0
