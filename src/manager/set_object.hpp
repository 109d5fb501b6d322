// SPDX-License-Identifier: MIT
// Python's set, shared.
#pragma once

#include <vector>

#include "manager/shared_object.hpp"

namespace polyproc::inline v0 {

class SetObject : public WithMethods<SetObject> {
 public:
  // set(), set(iterable)
  explicit SetObject(const Arguments& arguments);
  static const Methods<SetObject>& methods();

  [[nodiscard]] Object value() const override { return Object::set(elements()); }
  [[nodiscard]] std::string repr() const override { return set_.repr(kLongestText); }

 private:
  enum class Operation : std::uint8_t { both, either, without, one_alone };
  enum class Relation : std::uint8_t { subset, proper_subset, superset, proper_superset, disjoint };

  std::optional<Answer> add(Call& call);
  std::optional<Answer> remove(Call& call);
  std::optional<Answer> discard(Call& call);
  std::optional<Answer> pop(Call& call);
  std::optional<Answer> clear(Call& call);
  std::optional<Answer> copy(Call& call);
  std::optional<Answer> length(Call& call);
  std::optional<Answer> contains(Call& call);
  std::optional<Answer> iterate(Call& call);
  template <Operation O>
  std::optional<Answer> combined(Call& call);
  template <Operation O>
  std::optional<Answer> combined_reversed(Call& call);
  template <Operation O>
  std::optional<Answer> combine(Call& call);
  template <Relation R>
  std::optional<Answer> relation(Call& call);

  [[nodiscard]] std::vector<Object> elements() const { return elements_of(set_); }
  [[nodiscard]] static Object apply(Operation operation, const Object& a, const Object& b);

  Object set_;
};

}  // namespace polyproc::inline v0
