// SPDX-License-Identifier: MIT
// Exceptions of Python's that a call on a shared object raises: C++ exceptions on the way to the answer.
#pragma once

#include <exception>
#include <string>
#include <string_view>

#include <polyproc/codec/object.hpp>

namespace polyproc::inline v0 {

class PythonError : public std::exception {
 public:
  // `type`: "KeyError", of builtins, or "queue.Empty". The argument is its message, or what was not found.
  explicit PythonError(std::string_view type, Object argument);
  explicit PythonError(std::string_view type);
  PythonError(std::string_view type, Object first, Object second);  // OSError's number and text
  // An instance that is one.
  [[nodiscard]] static PythonError of(Object instance) { return PythonError(Made(), std::move(instance)); }

  // The instance that goes over the wire.
  [[nodiscard]] const Object& exception() const noexcept { return exception_; }
  [[nodiscard]] const char* what() const noexcept override { return "an exception of Python's"; }

 private:
  struct Made {};
  PythonError(Made, Object instance) : exception_(std::move(instance)) {}
  Object exception_;
};

// The exception that is being handled, as a PythonError.
[[noreturn]] void rethrow_as_python_error();

}  // namespace polyproc::inline v0
