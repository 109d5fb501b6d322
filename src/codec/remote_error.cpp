// SPDX-License-Identifier: MIT
#include <polyproc/codec/remote_error.hpp>

#include <fmt/format.h>

namespace polyproc::inline v0 {

RemoteError::RemoteError(std::string origin, std::string type, std::string message, std::string traceback,
                         Object exception)
    : Error(fmt::format("in {}: {}: {}", origin, type, message)),
      origin_(std::move(origin)),
      type_(std::move(type)),
      message_(std::move(message)),
      traceback_(std::move(traceback)),
      exception_(std::move(exception)) {}
RemoteError::~RemoteError() = default;

}  // namespace polyproc::inline v0
