// SPDX-License-Identifier: MIT
#include "manager/python_error.hpp"

#include <utility>

namespace polyproc::inline v0 {
namespace {

Object class_of(std::string_view type) {
  const std::size_t dot = type.rfind('.');
  if (dot == std::string_view::npos) return Object::name("builtins", type);
  return Object::name(type.substr(0, dot), type.substr(dot + 1));
}

}  // namespace

PythonError::PythonError(std::string_view type)
    : exception_(Object::instance(class_of(type), Object::tuple())) {}
PythonError::PythonError(std::string_view type, Object argument)
    : exception_(Object::instance(class_of(type), Object::tuple({std::move(argument)}))) {}
PythonError::PythonError(std::string_view type, Object first, Object second)
    : exception_(Object::instance(class_of(type), Object::tuple({std::move(first), std::move(second)}))) {}

}  // namespace polyproc::inline v0
