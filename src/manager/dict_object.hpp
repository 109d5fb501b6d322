// SPDX-License-Identifier: MIT
// Python's dict, shared; and the iterator over its keys.
#pragma once

#include <vector>

#include "manager/shared_object.hpp"

namespace polyproc::inline v0 {

// Over what a container held when it was made.
class IteratorObject : public WithMethods<IteratorObject> {
 public:
  explicit IteratorObject(std::vector<Object> items) noexcept : items_(std::move(items)) {}
  static const Methods<IteratorObject>& methods();

 private:
  std::optional<Answer> next(Call& call);
  std::optional<Answer> close(Call& call);

  std::vector<Object> items_;
  std::size_t at_ = 0;
};

class DictObject : public WithMethods<DictObject> {
 public:
  // dict(), dict(mapping), dict(pairs), with names
  explicit DictObject(const Arguments& arguments);
  static const Methods<DictObject>& methods();

  [[nodiscard]] Object value() const override { return copied(); }
  [[nodiscard]] std::string repr() const override { return dict_.repr(kLongestText); }

 private:
  std::optional<Answer> get_item(Call& call);
  std::optional<Answer> set_item(Call& call);
  std::optional<Answer> delete_item(Call& call);
  std::optional<Answer> length(Call& call);
  std::optional<Answer> contains(Call& call);
  std::optional<Answer> iterate(Call& call);
  std::optional<Answer> reversed(Call& call);
  std::optional<Answer> clear(Call& call);
  std::optional<Answer> copy(Call& call);
  std::optional<Answer> get(Call& call);
  std::optional<Answer> items(Call& call);
  std::optional<Answer> keys(Call& call);
  std::optional<Answer> values(Call& call);
  std::optional<Answer> pop(Call& call);
  std::optional<Answer> pop_item(Call& call);
  std::optional<Answer> set_default(Call& call);
  std::optional<Answer> update(Call& call);
  std::optional<Answer> merged(Call& call);
  std::optional<Answer> merged_into(Call& call);
  std::optional<Answer> from_keys(Call& call);
  [[nodiscard]] Object copied() const;

  Object dict_ = Object::dict();
};

}  // namespace polyproc::inline v0
