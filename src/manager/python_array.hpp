// SPDX-License-Identifier: MIT
// array.array, Python's array of machine numbers, as it is pickled.
#pragma once

#include <optional>
#include <vector>

#include <polyproc/codec/object.hpp>

namespace polyproc::inline v0 {

struct PythonArray {
  char typecode;  // b B h H i I l L q Q f d u w
  std::vector<Object> items;

  // Throws PythonError: TypeError, ValueError for another one.
  [[nodiscard]] static char typecode_from(const Object& value);
  // The number as such an array keeps it. Throws PythonError: TypeError, OverflowError.
  [[nodiscard]] static Object element(char typecode, const Object& value);

  // Nothing for what is no array.array. Throws PythonError for one that is damaged.
  [[nodiscard]] static std::optional<PythonArray> from(const Object& value);
  // What Python reads as an array.array.
  [[nodiscard]] Object to_object() const;
};

}  // namespace polyproc::inline v0
