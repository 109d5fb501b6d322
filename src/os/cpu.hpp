// SPDX-License-Identifier: MIT
// Facts about processors that decide how to wait.
#pragma once

#include <sched.h>

namespace polyproc::inline v0::os {

// Processors of the machine, at least 1; read once. Not those that this process is bound to: the one that it waits for may
// run on another.
int online_cpus() noexcept;

// The processor that the calling thread runs on (a memory read through the C library's restartable sequences).
inline int current_cpu() noexcept { return ::sched_getcpu(); }

inline void cpu_relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#else
  asm volatile("" ::: "memory");
#endif
}

}  // namespace polyproc::inline v0::os
