// SPDX-License-Identifier: MIT
// Python's queue.Queue, shared: Queue and JoinableQueue.
#pragma once

#include <deque>

#include "manager/shared_object.hpp"

namespace polyproc::inline v0 {

class QueueObject : public WithMethods<QueueObject> {
 public:
  // Queue(maxsize=0)
  explicit QueueObject(const Arguments& arguments);
  static const Methods<QueueObject>& methods();
  [[nodiscard]] std::string repr() const override;

 private:
  std::optional<Answer> put(Call& call);
  std::optional<Answer> put_nowait(Call& call);
  std::optional<Answer> get(Call& call);
  std::optional<Answer> get_nowait(Call& call);
  std::optional<Answer> task_done(Call& call);
  std::optional<Answer> join(Call& call);
  std::optional<Answer> qsize(Call& call);
  std::optional<Answer> empty(Call& call);
  std::optional<Answer> full(Call& call);
  std::optional<Answer> shutdown(Call& call);

  std::optional<Answer> put_until(Call& call, const Object& item, Deadline until);
  std::optional<Answer> get_until(Call& call, Deadline until);
  [[nodiscard]] std::optional<Object> try_put(const Object& item);
  [[nodiscard]] std::optional<Object> try_get();
  [[nodiscard]] bool is_full() const noexcept {
    return most_ > 0 && items_.size() >= static_cast<std::uint64_t>(most_);
  }
  // Lets go on who can after a change.
  void settle();

  std::int64_t most_;
  std::deque<Object> items_;
  std::uint64_t unfinished_ = 0;
  bool shut_down_ = false;
  CallList putters_, getters_, joiners_;
};

}  // namespace polyproc::inline v0
