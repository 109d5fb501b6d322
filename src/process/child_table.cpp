// SPDX-License-Identifier: MIT
#include "process/child_table.hpp"

#include <pthread.h>

#include <chrono>
#include <cstdlib>

#include <polyproc/os/error.hpp>

#include "process/fork_server.hpp"
#include "process/function_token.hpp"
#include "process/process_core.hpp"

namespace polyproc::inline v0 {
namespace {

constexpr std::chrono::seconds kTimeToTerminate{1};

struct ChildTable {
  std::mutex mutex;
  std::vector<std::shared_ptr<ProcessCore>> children;
  std::vector<std::weak_ptr<ChildStarter>> starters;
  std::weak_ptr<LifeLine> life_line;
};

// Never destroyed: the exit handler uses it.
ChildTable& table() {
  static ChildTable& one = *new ChildTable;
  return one;
}

void before_fork() {
  hold_fork_server();
  table().mutex.lock();
  hold_modules();
}
void after_fork_in_parent() {
  let_modules_go();
  table().mutex.unlock();
  let_fork_server_go();
}

// They are the parent's children, not ours.
void after_fork_in_child() {
  let_modules_go();
  if (const auto line = table().life_line.lock()) line->close();
  table().life_line.reset();
  auto siblings = std::move(table().children);
  table().children.clear();
  table().starters.clear();
  table().mutex.unlock();
  forget_fork_server();
  let_fork_server_go();
}

std::vector<std::shared_ptr<ChildStarter>> all_starters() {
  std::lock_guard guard(table().mutex);
  std::vector<std::shared_ptr<ChildStarter>> all;
  for (const auto& one : table().starters) {
    if (auto starter = one.lock()) all.push_back(std::move(starter));
  }
  return all;
}

void end_daemon(const ProcessCore& daemon) {
  if (daemon.join(Deadline::after(kTimeToTerminate))) return;
  daemon.send(SIGKILL);
  (void)daemon.join(Deadline::never());
}

}  // namespace

std::unique_lock<std::mutex> hold_off_forks() { return std::unique_lock(table().mutex); }

void add_child(std::shared_ptr<ProcessCore> child) {
  std::lock_guard guard(table().mutex);
  table().children.push_back(std::move(child));
}

void remove_child(const ProcessCore* child) noexcept {
  std::lock_guard guard(table().mutex);
  std::erase_if(table().children, [&](const auto& one) { return one.get() == child; });
}

std::vector<std::shared_ptr<ProcessCore>> all_children() {
  std::lock_guard guard(table().mutex);
  return table().children;
}

std::vector<std::shared_ptr<ProcessCore>> running_children() {
  auto children = all_children();
  std::erase_if(children, [](const auto& child) { return child->is_over(); });
  return children;
}

void add_starter(std::weak_ptr<ChildStarter> starter) {
  std::lock_guard guard(table().mutex);
  std::erase_if(table().starters, [](const auto& one) { return one.expired(); });
  table().starters.push_back(std::move(starter));
}

void finish_children() noexcept {
  try {
    for (const auto& starter : all_starters()) starter->stop_starting();
    const auto children = all_children();
    for (const auto& child : children) {
      if (child->daemon()) child->send(SIGTERM);
    }
    for (const auto& child : children) {
      if (!child->daemon()) (void)child->join(Deadline::never());
    }
    for (const auto& child : children) {
      if (child->daemon()) end_daemon(*child);
    }
    stop_fork_server();
  } catch (const std::exception&) {
    // Nobody is left to tell: what still runs is its own process now.
  }
}

std::shared_ptr<LifeLine> life_line() {
  std::lock_guard guard(table().mutex);
  auto line = table().life_line.lock();
  if (!line) table().life_line = line = std::make_shared<LifeLine>();
  return line;
}

void prepare_for_children() {
  static const int registered = [] {
    std::atexit([] { finish_children(); });
    return ::pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
  }();
  if (registered != 0) os::throw_os_error(registered, "pthread_atfork", "the table of children");
}

}  // namespace polyproc::inline v0
