// SPDX-License-Identifier: MIT
// Where messages go that no caller is there to catch: a child's uncaught exception, the warning about forking beside
// other threads. Standard error by default.
#pragma once

#include <functional>
#include <string_view>

#include <polyproc/os/config.hpp>

namespace polyproc::inline v0 {

// Receives one message at a time, without a line end; may be called by any thread, in any child. What it throws is
// dropped.
using DiagnosticSink = std::function<void(std::string_view message)>;

// Replaces the sink of this process and of the children that it forks from now on; an empty one means standard error.
// The sinks replaced are kept until the process ends, since another thread may be inside one.
POLYPROC_API void set_diagnostic_sink(DiagnosticSink sink);

namespace os {

// Sends a message to the sink.
POLYPROC_API void diagnose(std::string_view message) noexcept;

}  // namespace os
}  // namespace polyproc::inline v0
