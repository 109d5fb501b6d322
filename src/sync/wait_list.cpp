// SPDX-License-Identifier: MIT
#include "sync/wait_list.hpp"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>
#include <polyproc/os/deadline.hpp>
#include <polyproc/os/error.hpp>

#include "os/poll.hpp"
#include "sync/watch.hpp"

namespace polyproc::inline v0 {
namespace {

[[noreturn]] void throw_not_open(int descriptor, std::size_t position) {
  os::throw_os_error(EBADF, "wait",
                     fmt::format("descriptor {}, number {} of those waited for", descriptor, position));
}

}  // namespace

WaitList::WaitList(std::span<const Waitable> objects) {
  for (std::size_t i = 0; i < objects.size(); ++i) {
    if (objects[i].is_shared()) {
      shared.push_back(objects[i].object());
      shared_positions.push_back(i);
    } else {
      if (objects[i].descriptor() < 0) throw_not_open(objects[i].descriptor(), i);
      descriptors.push_back({objects[i].descriptor(), POLLIN, 0});
      descriptor_positions.push_back(i);
    }
  }
}

std::vector<std::size_t> WaitList::look(bool is_last) {
  settle_watched(shared, is_last);
  if (!descriptors.empty()) (void)os::poll_until(descriptors, Deadline::now(), "wait");
  return found();
}

std::vector<std::size_t> WaitList::found() const {
  std::vector<std::size_t> ready;
  for (std::size_t i = 0; i < shared.size(); ++i) {
    if (is_ready(shared[i])) ready.push_back(shared_positions[i]);
  }
  for (std::size_t i = 0; i < descriptor_positions.size(); ++i) {
    const pollfd& polled = descriptors[i];
    if ((polled.revents & POLLNVAL) != 0) throw_not_open(polled.fd, descriptor_positions[i]);
    if (polled.revents != 0) ready.push_back(descriptor_positions[i]);
  }
  std::sort(ready.begin(), ready.end());
  return ready;
}

bool WaitList::is_one_arena() const noexcept {
  return std::all_of(shared.begin(), shared.end(),
                     [&](const WatchedObject& object) { return object.core == shared.front().core; });
}

}  // namespace polyproc::inline v0
