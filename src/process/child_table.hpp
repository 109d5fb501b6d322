// SPDX-License-Identifier: MIT
// The children of this process that have not been collected, and what happens to them at exit and at fork. Its lock is
// taken after that of a ProcessCore and before any of an arena.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "process/life_line.hpp"

namespace polyproc::inline v0 {

class ProcessCore;

// Holds off every fork of this process, so that no child gets a copy of a descriptor that is meant for another.
[[nodiscard]] std::unique_lock<std::mutex> hold_off_forks();

void add_child(std::shared_ptr<ProcessCore> child);
void remove_child(const ProcessCore* child) noexcept;
[[nodiscard]] std::vector<std::shared_ptr<ProcessCore>> all_children();
// Collects those that have ended; the others.
std::vector<std::shared_ptr<ProcessCore>> running_children();
// Terminates the daemons and waits for all: the end of every process that has children.
void finish_children() noexcept;

// Who starts children of its own accord, as a pool does, is told that they are all to end, before they are.
class ChildStarter {
 public:
  virtual void stop_starting() noexcept = 0;

 protected:
  ~ChildStarter() = default;
};
void add_starter(std::weak_ptr<ChildStarter> starter);

[[nodiscard]] std::shared_ptr<LifeLine> life_line();

// Registers the handlers for fork and exit. To be called before a child is started, with the arena's in place.
void prepare_for_children();

}  // namespace polyproc::inline v0
