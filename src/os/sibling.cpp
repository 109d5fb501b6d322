// SPDX-License-Identifier: MIT
// What fork() does for the calling thread, done by hand, because it has no form with CLONE_PARENT: the kernel writes the
// child's thread id where the C library keeps it (and clears it at the thread's end), and gets the list of robust mutexes again.
// Nothing else in the C library depends on who made the process while there is one thread and no lock is held.
#include "os/sibling.hpp"

#include <linux/futex.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <polyproc/os/error.hpp>

namespace polyproc::inline v0::os {
namespace {

constexpr const char* kWhat = "the process that is to be a sibling";

long clone_with_parent(int* thread_id) {
  constexpr unsigned long kFlags = CLONE_PARENT | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
#if defined(__x86_64__)
  return ::syscall(SYS_clone, kFlags, nullptr, nullptr, thread_id, 0);
#else  // most others have the last two the other way round
  return ::syscall(SYS_clone, kFlags, nullptr, nullptr, 0, thread_id);
#endif
}

}  // namespace

pid_t fork_sibling() {
  int* thread_id = nullptr;
  checked("prctl PR_GET_TID_ADDRESS", kWhat, [&] { return ::prctl(PR_GET_TID_ADDRESS, &thread_id); });
  robust_list_head* mutexes = nullptr;
  std::size_t size = 0;
  checked("get_robust_list", kWhat, [&] { return ::syscall(SYS_get_robust_list, 0, &mutexes, &size); });
  const auto child =
      static_cast<pid_t>(checked("clone", kWhat, [&] { return clone_with_parent(thread_id); }));
  if (child == 0) ::syscall(SYS_set_robust_list, mutexes, size);
  return child;
}

}  // namespace polyproc::inline v0::os
