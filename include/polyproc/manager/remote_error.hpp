// SPDX-License-Identifier: MIT
// RemoteError: what a call on a shared object has raised in its server.
#pragma once

#include <string>
#include <utility>

#include <polyproc/codec/object.hpp>
#include <polyproc/os/error.hpp>

namespace polyproc::inline v0 {

// Exceptions that this library has a kind for arrive as these: Empty, Full, ShutDown, OwnerDied, BrokenBarrier, and Closed when the
// server ends. All others are RemoteErrors.
class POLYPROC_API RemoteError : public Error {
 public:
  RemoteError(std::string type, std::string message, std::string traceback, Object exception);
  ~RemoteError() override;

  // "KeyError"; "RemoteError" when the request could not be carried out at all.
  [[nodiscard]] const std::string& type() const noexcept { return type_; }
  [[nodiscard]] const std::string& message() const noexcept { return message_; }
  // What CPython's server tells of where it happened; may be empty.
  [[nodiscard]] const std::string& traceback() const noexcept { return traceback_; }
  // The exception with its arguments, or None.
  [[nodiscard]] const Object& exception() const noexcept { return exception_; }

 private:
  std::string type_, message_, traceback_;
  Object exception_;
};

}  // namespace polyproc::inline v0
