// SPDX-License-Identifier: MIT
// What the processes of CPython clients refer to, and hold. Their protocol counts references without telling whose they are, on connections
// that end at once; on this machine the kernel tells which process is at the other end, and when it ends.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include <polyproc/os/fd.hpp>

#include "manager/call.hpp"
#include "manager/event_loop.hpp"
#include "manager/object_table.hpp"

namespace polyproc::inline v0 {

class ClientProcesses {
 public:
  ClientProcesses(EventLoop& loop, ObjectTable& objects);
  ClientProcesses(const ClientProcesses&) = delete;
  ClientProcesses& operator=(const ClientProcesses&) = delete;
  ~ClientProcesses();

  // The process at the other end of a socket has taken one more of the object's references, which it has already, or has given
  // one back, which is taken from it here. Where the process cannot be known (over TCP, in another namespace of processes) the
  // reference stays until it is given back; where it has ended, and when this throws (OsError), it is given back at once.
  void took(int socket, std::uint64_t object);
  void gave(int socket, std::uint64_t object) noexcept;
  // A connection of the process has ended, as one does with its thread, and another thread may release what it held. The locks are
  // free when the process ends; at once where it cannot be known, has ended, and when this throws.
  void holds(int socket, std::vector<HeldLock> locks);

 private:
  class Process;
  [[nodiscard]] Process* find(pid_t pid);
  // Nothing when it has ended. Throws OsError.
  [[nodiscard]] Process* find_or_watch(int socket, pid_t pid);
  void end(pid_t pid) noexcept;

  EventLoop& loop_;
  ObjectTable& objects_;
  std::unordered_map<pid_t, std::unique_ptr<Process>> processes_;
};

}  // namespace polyproc::inline v0
