// SPDX-License-Identifier: MIT
#include <polyproc/process/process.hpp>

#include <csignal>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>

#include "process/child_table.hpp"
#include "process/process_core.hpp"

namespace polyproc::inline v0 {

ProcessTarget::~ProcessTarget() = default;

const std::shared_ptr<ProcessCore>& ChildProcess::core() const {
  if (!core_) throw UsageError("using a Process: it was moved from");
  return core_;
}

std::string ChildProcess::name() const { return core()->name(); }
bool ChildProcess::daemon() const { return core()->daemon(); }
std::optional<pid_t> ChildProcess::pid() const { return core()->pid(); }
std::optional<int> ChildProcess::exitcode() const { return core()->exitcode(); }
bool ChildProcess::is_alive() const { return core()->is_alive(); }
bool ChildProcess::join_until(Deadline deadline) const { return core()->join(deadline); }
void ChildProcess::terminate() const { core()->send(SIGTERM); }
void ChildProcess::kill() const { core()->send(SIGKILL); }
void ChildProcess::interrupt() const { core()->send(SIGINT); }
int ChildProcess::sentinel() const { return core()->sentinel(); }

Process::Process(std::unique_ptr<ProcessTarget> target, ProcessOptions options)
    : ChildProcess(std::make_shared<ProcessCore>(std::move(target), std::move(options))) {}

void Process::start() { core()->start(); }
void Process::set_name(std::string name) { core()->set_name(std::move(name)); }
void Process::set_daemon(bool daemon) { core()->set_daemon(daemon); }
void Process::close() { core()->close(); }

std::vector<ChildProcess> active_children() {
  std::vector<ChildProcess> children;
  for (auto& child : running_children()) children.emplace_back(std::move(child));
  return children;
}

void detail::throw_not_transferable(std::string_view type, bool callable) {
  if (callable) {
    throw UsageError(fmt::format(
        "starting by spawn: a callable of type '{}' cannot go to a new program; pass a function, or a lambda "
        "without captures, and hand over the data as arguments, or use the start method fork",
        type));
  }
  throw UsageError(fmt::format(
      "starting by spawn: an argument of type '{}' cannot go to a new program; pass values, strings, vectors "
      "of them or shared objects, specialise polyproc::Transfer for the type, or use the start method fork",
      type));
}

}  // namespace polyproc::inline v0
