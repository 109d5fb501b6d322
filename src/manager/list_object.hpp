// SPDX-License-Identifier: MIT
// Python's list, shared.
#pragma once

#include <vector>

#include "manager/shared_object.hpp"

namespace polyproc::inline v0 {

class ListObject : public WithMethods<ListObject> {
 public:
  // list(), list(iterable)
  explicit ListObject(const Arguments& arguments);
  static const Methods<ListObject>& methods();

  [[nodiscard]] Object value() const override { return Object::list(items_); }
  [[nodiscard]] std::string repr() const override { return value().repr(kLongestText); }

 private:
  std::optional<Answer> append(Call& call);
  std::optional<Answer> extend(Call& call);
  std::optional<Answer> insert(Call& call);
  std::optional<Answer> pop(Call& call);
  std::optional<Answer> remove(Call& call);
  std::optional<Answer> clear(Call& call);
  std::optional<Answer> copy(Call& call);
  std::optional<Answer> count(Call& call);
  std::optional<Answer> index(Call& call);
  std::optional<Answer> reverse(Call& call);
  std::optional<Answer> sort(Call& call);
  std::optional<Answer> get_item(Call& call);
  std::optional<Answer> set_item(Call& call);
  std::optional<Answer> delete_item(Call& call);
  std::optional<Answer> length(Call& call);
  std::optional<Answer> contains(Call& call);
  std::optional<Answer> add(Call& call);
  std::optional<Answer> multiply(Call& call);
  std::optional<Answer> multiply_here(Call& call);
  std::optional<Answer> reversed(Call& call);
  [[nodiscard]] std::vector<Object> repeated(const Object& times) const;

  std::vector<Object> items_;
};

}  // namespace polyproc::inline v0
