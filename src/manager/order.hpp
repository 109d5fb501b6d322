// SPDX-License-Identifier: MIT
// Python's `<` between values.
#pragma once

#include <polyproc/codec/object.hpp>

namespace polyproc::inline v0 {

// Numbers, strings, bytes, and lists, tuples and sets of what can be ordered. Throws PythonError: TypeError for others, as Python,
// RecursionError for what is nested too deeply.
[[nodiscard]] bool is_less(const Object& a, const Object& b);

}  // namespace polyproc::inline v0
