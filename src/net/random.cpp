// SPDX-License-Identifier: MIT
#include "net/random.hpp"

#include <sys/random.h>

#include <polyproc/os/error.hpp>

namespace polyproc::inline v0 {

std::vector<std::byte> random_bytes(std::size_t count) {
  std::vector<std::byte> bytes(count);
  for (std::size_t at = 0; at < count;)
    at += static_cast<std::size_t>(os::checked("getrandom", "the kernel's random numbers", [&] {
      return ::getrandom(bytes.data() + at, count - at, 0);
    }));
  return bytes;
}

}  // namespace polyproc::inline v0
