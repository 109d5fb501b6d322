// SPDX-License-Identifier: MIT
// Sinks form a list that only grows: no lock, so a fork at any moment leaves the child with a working sink.
#include <polyproc/os/diagnostics.hpp>

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string>
#include <utility>

namespace polyproc::inline v0 {
namespace {

struct Sink {
  DiagnosticSink send;
  const Sink* replaced;
};

constinit std::atomic<const Sink*> current_sink{nullptr};

// In one write, so that lines of several processes do not mix.
void write_to_stderr(std::string_view message) {
  std::string line(message);
  line += '\n';
  for (std::string_view rest = line; !rest.empty();) {
    const ssize_t written = ::write(STDERR_FILENO, rest.data(), rest.size());
    if (written < 0 && errno != EINTR) return;
    if (written > 0) rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

void set_diagnostic_sink(DiagnosticSink sink) {
  auto* made = new Sink{std::move(sink), current_sink.load()};
  while (!current_sink.compare_exchange_weak(made->replaced, made)) {
  }
}

void os::diagnose(std::string_view message) noexcept {
  const int saved = errno;
  try {
    const Sink* sink = current_sink.load();
    if (sink != nullptr && sink->send)
      sink->send(message);
    else
      write_to_stderr(message);
  } catch (...) {  // NOLINT: there is nobody to tell
  }
  errno = saved;
}

}  // namespace polyproc::inline v0
