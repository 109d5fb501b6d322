// SPDX-License-Identifier: MIT
// Event, Semaphore, BoundedSemaphore and Barrier, shared.
#pragma once

#include <optional>

#include "manager/shared_object.hpp"

namespace polyproc::inline v0 {

class EventObject : public WithMethods<EventObject> {
 public:
  static const Methods<EventObject>& methods();
  [[nodiscard]] std::string repr() const override;

 private:
  std::optional<Answer> is_set(Call& call);
  std::optional<Answer> set(Call& call);
  std::optional<Answer> clear(Call& call);
  std::optional<Answer> wait(Call& call);

  bool set_ = false;
  CallList waiters_;
};

class SemaphoreObject : public WithMethods<SemaphoreObject> {
 public:
  enum class Form : std::uint8_t { unbounded, bounded };

  // Semaphore(value=1)
  SemaphoreObject(Form form, const Arguments& arguments);
  static const Methods<SemaphoreObject>& methods();
  [[nodiscard]] std::string repr() const override;

 private:
  std::optional<Answer> acquire(Call& call);
  std::optional<Answer> release(Call& call);
  std::optional<Answer> get_value(Call& call);
  std::optional<Answer> locked(Call& call);

  std::int64_t value_;
  std::int64_t most_;
  CallList waiters_;
};

// A party whose client goes while it waits breaks it for the others.
class BarrierObject : public WithMethods<BarrierObject> {
 public:
  // Barrier(parties, action=None, timeout=None)
  explicit BarrierObject(const Arguments& arguments);
  static const Methods<BarrierObject>& methods();
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
  std::uint64_t generation_ = 0;  // how often it was reset: who goes later breaks no other
  CallList waiters_;
};

}  // namespace polyproc::inline v0
