// SPDX-License-Identifier: MIT
// Value, Array and Namespace, shared.
#pragma once

#include <string>

#include "manager/python_array.hpp"
#include "manager/shared_object.hpp"

namespace polyproc::inline v0 {

class SharedValue : public WithMethods<SharedValue> {
 public:
  // Value(typecode, value, lock=True)
  explicit SharedValue(const Arguments& arguments);
  static const Methods<SharedValue>& methods();

  [[nodiscard]] Object value() const override { return value_; }
  [[nodiscard]] std::string repr() const override;

 private:
  std::optional<Answer> get(Call& call);
  std::optional<Answer> set(Call& call);

  Object typecode_, value_;
};

class SharedArray : public WithMethods<SharedArray> {
 public:
  // Array(typecode, sequence, lock=True)
  explicit SharedArray(const Arguments& arguments);
  static const Methods<SharedArray>& methods();

  [[nodiscard]] Object value() const override { return array_.to_object(); }
  [[nodiscard]] std::string repr() const override;

 private:
  std::optional<Answer> length(Call& call);
  std::optional<Answer> get_item(Call& call);
  std::optional<Answer> set_item(Call& call);

  PythonArray array_;
};

class SharedNamespace : public WithMethods<SharedNamespace> {
 public:
  // Namespace(**attributes)
  explicit SharedNamespace(const Arguments& arguments);
  static const Methods<SharedNamespace>& methods();

  [[nodiscard]] std::string repr() const override;

 private:
  std::optional<Answer> get(Call& call);
  std::optional<Answer> set(Call& call);
  std::optional<Answer> remove(Call& call);

  Object attributes_ = Object::dict();
};

}  // namespace polyproc::inline v0
