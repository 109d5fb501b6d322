// SPDX-License-Identifier: MIT
#include "os/poll.hpp"

#include <cerrno>
#include <chrono>
#include <ctime>

#include <polyproc/os/error.hpp>

namespace polyproc::inline v0::os {
namespace {

constexpr std::chrono::hours kLongestSleep{1};

timespec to_timespec(std::chrono::nanoseconds duration) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration);
  return {static_cast<std::time_t>(seconds.count()), static_cast<long>((duration - seconds).count())};
}

}  // namespace

bool poll_until(std::span<pollfd> watched, Deadline deadline, std::string_view object) {
  for (;;) {
    const timespec left = to_timespec(deadline.remaining(kLongestSleep));
    const int count = ::ppoll(watched.data(), watched.size(), &left, nullptr);
    if (count > 0) return true;
    if (count < 0 && errno != EINTR) throw_os_error(errno, "poll", object);
    if (deadline.passed()) return false;
  }
}

bool wait_for(int fd, short events, Deadline deadline, std::string_view object) {
  pollfd watched{fd, events, 0};
  return poll_until(std::span(&watched, 1), deadline, object);
}

}  // namespace polyproc::inline v0::os
