// SPDX-License-Identifier: MIT
// Three ways to wait: for descriptors alone in poll; for objects of one arena alone on this process's bell; else in
// poll, with one descriptor more that stands for the objects (bell_thread.hpp).
#include <polyproc/sync/wait.hpp>

#include <poll.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>

#include "arena/arena_core.hpp"
#include "os/futex.hpp"
#include "os/poll.hpp"
#include "sync/bell_thread.hpp"
#include "sync/sleepers.hpp"
#include "sync/watch.hpp"

namespace polyproc::inline v0 {
namespace {

class Waiting {
 public:
  explicit Waiting(std::span<const Waitable> objects) {
    for (std::size_t i = 0; i < objects.size(); ++i) {
      if (objects[i].is_shared()) {
        shared_.push_back(objects[i].object());
        shared_positions_.push_back(i);
      } else {
        if (objects[i].descriptor() < 0)
          os::throw_os_error(
              EBADF, "wait",
              fmt::format("descriptor {}, number {} of those waited for", objects[i].descriptor(), i));
        descriptors_.push_back({objects[i].descriptor(), POLLIN, 0});
        descriptor_positions_.push_back(i);
      }
    }
  }

  std::vector<std::size_t> run(Deadline deadline) {
    auto ready = look();
    if (!ready.empty() || deadline.passed()) return ready;
    if (shared_.empty()) {
      poll(deadline);
      return found();
    }
    return descriptors_.empty() && is_one_arena() ? wait_for_bell(deadline) : wait_for_both(deadline);
  }

 private:
  [[nodiscard]] bool is_one_arena() const noexcept {
    return std::all_of(shared_.begin(), shared_.end(),
                       [&](const WatchedObject& object) { return object.core == shared_.front().core; });
  }

  // Those that are ready by what the last poll said of the descriptors.
  [[nodiscard]] std::vector<std::size_t> found() const {
    std::vector<std::size_t> ready;
    for (std::size_t i = 0; i < shared_.size(); ++i) {
      if (is_ready(shared_[i])) ready.push_back(shared_positions_[i]);
    }
    for (std::size_t i = 0; i < descriptor_positions_.size(); ++i) {
      const pollfd& watched = descriptors_[i];
      if ((watched.revents & POLLNVAL) != 0)
        os::throw_os_error(EBADF, "wait",
                           fmt::format("descriptor {}, number {} of those waited for", watched.fd,
                                       descriptor_positions_[i]));
      if (watched.revents != 0) ready.push_back(descriptor_positions_[i]);
    }
    std::sort(ready.begin(), ready.end());
    return ready;
  }

  void poll(Deadline deadline) { os::poll_until(descriptors_, deadline, "wait"); }

  [[nodiscard]] std::vector<std::size_t> look() {
    if (!descriptors_.empty()) poll(Deadline::now());
    return found();
  }

  [[nodiscard]] std::vector<std::size_t> wait_for_bell(Deadline deadline) const {
    const ArenaCore& core = *shared_.front().core;
    const Bell& bell = own_bell(core);
    for (;;) {
      const std::uint32_t rings = bell.rings.load();
      enter_watcher(core, shared_);
      finish_entering(core);
      auto ready = found();
      if (!ready.empty() || deadline.passed()) return ready;
      os::futex_wait(bell.rings, rings, deadline.remaining(kSleepSlice));
    }
  }

  [[nodiscard]] std::vector<std::size_t> wait_for_both(Deadline deadline) {
    Listening listening(shared_);
    descriptors_.push_back({listening.descriptor(), POLLIN, 0});
    for (;;) {
      poll(deadline);
      auto ready = found();
      if (!ready.empty() || deadline.passed()) return ready;
      listening.listen_again();
    }
  }

  std::vector<WatchedObject> shared_;
  std::vector<std::size_t> shared_positions_;
  std::vector<pollfd> descriptors_;
  std::vector<std::size_t> descriptor_positions_;
};

}  // namespace

std::vector<std::size_t> detail::wait_for_any(std::span<const Waitable> objects, Deadline deadline) {
  if (objects.empty() && deadline.is_never())
    throw InvalidArgument("wait: nothing to wait for, and no deadline: it would never return");
  return Waiting(objects).run(deadline);
}

}  // namespace polyproc::inline v0
