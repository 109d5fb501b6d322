// SPDX-License-Identifier: MIT
// Key functions of the exception classes and the wording of system errors.
#include <polyproc/os/error.hpp>

#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace polyproc::inline v0 {

Error::~Error() = default;
OsError::~OsError() = default;
Empty::~Empty() = default;
Full::~Full() = default;
ArenaFull::~ArenaFull() = default;
Closed::~Closed() = default;
ShutDown::~ShutDown() = default;
EndOfFile::~EndOfFile() = default;
TimeoutError::~TimeoutError() = default;
OwnerDied::~OwnerDied() = default;
BrokenBarrier::~BrokenBarrier() = default;
TypeMismatch::~TypeMismatch() = default;
UsageError::~UsageError() = default;
InvalidArgument::~InvalidArgument() = default;
AuthenticationError::~AuthenticationError() = default;
Cancelled::~Cancelled() = default;
BrokenPool::~BrokenPool() = default;
CorruptArena::~CorruptArena() = default;
WorkerLost::~WorkerLost() = default;

OsError::OsError(int code, std::string operation, std::string object)
    : Error(fmt::format("{} of {} failed: {} (errno {})", operation, object,
                        std::generic_category().message(code), code)),
      code_(code),
      operation_(std::move(operation)),
      object_(std::move(object)) {}

namespace os {

void throw_os_error(int code, std::string_view operation, std::string_view object) {
  throw OsError(code, std::string(operation), std::string(object));
}

}  // namespace os
}  // namespace polyproc::inline v0
