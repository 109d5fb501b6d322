// SPDX-License-Identifier: MIT
// How much memory the process has in use, for tests that watch it.
#pragma once

#include <malloc.h>

#include <cstddef>
#include <fstream>
#include <string>

// Of the sanitizers, whose allocator keeps what was freed: where there are none it is null.
extern "C" [[gnu::weak]] std::size_t __sanitizer_get_current_allocated_bytes();

namespace polyproc::testing {

// By malloc and new.
[[nodiscard]] inline std::size_t allocated_bytes() {
  if (__sanitizer_get_current_allocated_bytes != nullptr) return __sanitizer_get_current_allocated_bytes();
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

// Of the whole process, shared memory included.
[[nodiscard]] inline std::size_t resident_kib() {
  std::ifstream file("/proc/self/status");
  for (std::string word; file >> word;) {
    std::size_t kib = 0;
    if (word == "VmRSS:" && file >> kib) return kib;
  }
  return 0;
}

}  // namespace polyproc::testing
