// SPDX-License-Identifier: MIT
#include "os/futex.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

namespace polyproc::inline v0::os {

namespace {

void wait_on(const void* word, std::uint32_t expected, std::chrono::nanoseconds timeout) noexcept {
  if (timeout.count() <= 0) return;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout);
  const timespec limit{seconds.count(), (timeout - seconds).count()};
  const int saved = errno;
  ::syscall(SYS_futex, word, FUTEX_WAIT, expected, &limit, nullptr, 0);
  errno = saved;
}

int wake_on(const void* word, int count) noexcept {
  const int saved = errno;
  const long woken = ::syscall(SYS_futex, word, FUTEX_WAKE, count, nullptr, nullptr, 0);
  errno = saved;
  return woken < 0 ? 0 : static_cast<int>(woken);
}

}  // namespace

void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                std::chrono::nanoseconds timeout) noexcept {
  wait_on(&word, expected, timeout);
}
void futex_wait(const std::atomic<std::uint64_t>& word, std::uint32_t expected,
                std::chrono::nanoseconds timeout) noexcept {
  wait_on(&word, expected, timeout);
}
int futex_wake(const std::atomic<std::uint32_t>& word, int count) noexcept { return wake_on(&word, count); }
int futex_wake(const std::atomic<std::uint64_t>& word, int count) noexcept { return wake_on(&word, count); }

}  // namespace polyproc::inline v0::os
