// SPDX-License-Identifier: MIT
// Python's indices: from the end when negative, and slices.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include <polyproc/codec/object.hpp>

namespace polyproc::inline v0 {

struct Slice {
  std::int64_t start, step;
  std::size_t length;
  [[nodiscard]] std::size_t operator[](std::size_t i) const noexcept {
    return static_cast<std::size_t>(start + static_cast<std::int64_t>(i) * step);
  }
};

// The places that builtins.slice stands for in a sequence of that size; nothing for what is no slice. Throws PythonError.
[[nodiscard]] std::optional<Slice> slice_from(const Object& value, std::size_t size);
// A place in it. Throws PythonError: TypeError, IndexError ("list index out of range").
[[nodiscard]] std::size_t place_from(const Object& index, std::size_t size, std::string_view what);

// sequence[key], sequence[key] = value, del sequence[key], of vectors.
[[nodiscard]] std::vector<Object> take_slice(const std::vector<Object>& items, const Slice& slice);
void set_slice(std::vector<Object>& items, const Slice& slice, std::vector<Object> values);
void erase_slice(std::vector<Object>& items, const Slice& slice);

}  // namespace polyproc::inline v0
