// SPDX-License-Identifier: MIT
#include "os/cpu.hpp"

#include <unistd.h>

#include <algorithm>

namespace polyproc::inline v0::os {
namespace {

int count_usable() noexcept {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1,
                  static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN)));  // more processors than the set holds
}

}  // namespace

int usable_cpus() noexcept {
  static const int count = count_usable();
  return count;
}

}  // namespace polyproc::inline v0::os
