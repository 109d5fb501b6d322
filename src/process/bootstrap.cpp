// SPDX-License-Identifier: MIT
#include "process/bootstrap.hpp"

#include <unistd.h>

#include <cstdio>
#include <exception>
#include <iostream>
#include <string>

#include <fmt/format.h>
#include <polyproc/os/diagnostics.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>
#include <polyproc/process/exit.hpp>

#include "os/exception_type.hpp"
#include "process/child_table.hpp"
#include "process/this_process.hpp"

namespace polyproc::inline v0 {
namespace {

// Inside a handler.
void report(const char* what) noexcept {
  try {
    os::diagnose(fmt::format("Process {} (pid {}): uncaught {}{}{}", this_process().role.name, ::getpid(),
                             os::current_exception_type(), what != nullptr ? ": " : "",
                             what != nullptr ? what : ""));
  } catch (...) {  // NOLINT: no memory for the message
    os::diagnose("a child process ends by an uncaught exception");
  }
}

}  // namespace

int run_child(const std::function<void()>& function) noexcept {
  int code = 0;
  POLYPROC_FAIL_POINT("process.child_begins");
  try {
    function();
  } catch (const ProcessExit& exit) {
    code = exit.code();
  } catch (const std::exception& error) {
    report(error.what());
    code = kExitFailed;
  } catch (...) {
    report(nullptr);
    code = kExitFailed;
  }
  POLYPROC_FAIL_POINT("process.child_ends");
  finish_children();
  flush_stdio();
  return code;
}

void flush_stdio() noexcept {
  try {
    std::cout.flush();
    std::wcout.flush();
    std::clog.flush();
  } catch (...) {  // NOLINT: only when the stream was told to throw
  }
  // A thread that waits for input holds the lock of stdin, and flushing all streams would wait for it.
  if (::ftrylockfile(stdin) == 0) {
    ::funlockfile(stdin);
    std::fflush(nullptr);
  } else {
    std::fflush(stdout);
    std::fflush(stderr);
  }
}

void exit_process(int code) {
  if (!this_process().child)
    throw UsageError("exit_process: this process was not started by a Process; use std::exit");
  throw ProcessExit(code);
}

}  // namespace polyproc::inline v0
