// SPDX-License-Identifier: MIT
#include "manager/shared_object.hpp"

#include <fmt/format.h>

namespace polyproc::inline v0 {

SharedObject::~SharedObject() = default;

Object SharedObject::value() const {
  throw PythonError("TypeError", "this shared object cannot be copied: use it through its proxy");
}

std::string SharedObject::repr() const { return "<shared object>"; }

void throw_no_method(std::string_view method) {
  throw PythonError("AttributeError", fmt::format("the shared object has no method '{}'", method));
}

}  // namespace polyproc::inline v0
