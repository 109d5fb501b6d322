// SPDX-License-Identifier: MIT
// RemoteError: an exception that was thrown in another process: by a method of a shared object in its server, or by a task of
// a pool in its worker.
#pragma once

#include <string>
#include <utility>

#include <polyproc/codec/object.hpp>
#include <polyproc/os/error.hpp>

namespace polyproc::inline v0 {

class POLYPROC_API RemoteError : public Error {
 public:
  RemoteError(std::string origin, std::string type, std::string message, std::string traceback = {},
              Object exception = {});
  ~RemoteError() override;

  // Where it was thrown: "the manager's server", "PoolWorker-2 (pid 4711)".
  [[nodiscard]] const std::string& origin() const noexcept { return origin_; }
  // "std::out_of_range"; from Python "KeyError"; "RemoteError" when a manager's request could not be carried out at all.
  [[nodiscard]] const std::string& type() const noexcept { return type_; }
  [[nodiscard]] const std::string& message() const noexcept { return message_; }
  // What CPython tells of where it happened; may be empty.
  [[nodiscard]] const std::string& traceback() const noexcept { return traceback_; }
  // An exception of a manager's server with its arguments, or None.
  [[nodiscard]] const Object& exception() const noexcept { return exception_; }

 private:
  std::string origin_, type_, message_, traceback_;
  Object exception_;
};

}  // namespace polyproc::inline v0
