// SPDX-License-Identifier: MIT
// What this process knows of itself as a member of the family.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <string>

#include <polyproc/process/start_method.hpp>

namespace polyproc::inline v0 {

class ProcessCore;

// Given to a child by its parent.
struct ChildRole {
  std::string name = {};
  std::string path = {};  // its place among all: "1:2" is the second child of the first
  bool daemon = false;
  bool worker = false;  // of a pool: a daemon that may have children
  pid_t parent_pid = 0;
  std::string parent_name = {};
  StartMethod default_method = StartMethod::fork;
  const ProcessCore* self = nullptr;  // under fork: the parent's object, which the child sees as well
};

struct ThisProcess {
  ChildRole role{.name = "MainProcess"};
  bool child = false;                       // of a Process
  std::atomic<unsigned> processes_made{0};  // names and paths of children count from here
};

// Changed only while the process has one thread.
[[nodiscard]] ThisProcess& this_process() noexcept;
void become(ChildRole role);

}  // namespace polyproc::inline v0
