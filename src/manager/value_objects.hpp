// SPDX-License-Identifier: MIT
// Value, Array and Namespace, shared.
#pragma once

#include <string>

#include "manager/python_array.hpp"
#include "manager/shared_object.hpp"

namespace polyproc::inline v0 {

class ValueObject : public WithMethods<ValueObject> {
 public:
  // Value(typecode, value, lock=True)
  explicit ValueObject(const Arguments& arguments);
  static const Methods<ValueObject>& methods();

  [[nodiscard]] Object value() const override { return value_; }
  [[nodiscard]] std::string repr() const override;

 private:
  std::optional<Answer> get(Call& call);
  std::optional<Answer> set(Call& call);

  Object typecode_, value_;
};

class ArrayObject : public WithMethods<ArrayObject> {
 public:
  // Array(typecode, sequence, lock=True)
  explicit ArrayObject(const Arguments& arguments);
  static const Methods<ArrayObject>& methods();

  [[nodiscard]] Object value() const override { return array_.to_object(); }
  [[nodiscard]] std::string repr() const override;

 private:
  std::optional<Answer> length(Call& call);
  std::optional<Answer> get_item(Call& call);
  std::optional<Answer> set_item(Call& call);

  PythonArray array_;
};

class NamespaceObject : public WithMethods<NamespaceObject> {
 public:
  // Namespace(**attributes)
  explicit NamespaceObject(const Arguments& arguments);
  static const Methods<NamespaceObject>& methods();

  [[nodiscard]] std::string repr() const override;

 private:
  std::optional<Answer> get(Call& call);
  std::optional<Answer> set(Call& call);
  std::optional<Answer> remove(Call& call);

  Object attributes_ = Object::dict();
};

}  // namespace polyproc::inline v0
