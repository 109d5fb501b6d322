// SPDX-License-Identifier: MIT
#include "os/cpu.hpp"

#include <unistd.h>

#include <algorithm>

namespace polyproc::inline v0::os {

int online_cpus() noexcept {
  static const int count = std::max(1, static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN)));
  return count;
}

}  // namespace polyproc::inline v0::os
