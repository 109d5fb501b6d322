// SPDX-License-Identifier: MIT
// Three ways to wait: for descriptors alone in poll; for objects of one arena alone on this process's bell; else in
// poll, with one descriptor more that stands for the objects (bell_thread.hpp).
#include <polyproc/sync/wait.hpp>

#include <polyproc/os/error.hpp>

#include "arena/arena_core.hpp"
#include "os/futex.hpp"
#include "os/poll.hpp"
#include "sync/bell_thread.hpp"
#include "sync/sleepers.hpp"
#include "sync/wait_list.hpp"
#include "sync/watch.hpp"

namespace polyproc::inline v0 {
namespace {

std::vector<std::size_t> wait_for_descriptors(WaitList& list, Deadline deadline) {
  (void)os::poll_until(list.descriptors, deadline, "wait");
  return list.found();
}

std::vector<std::size_t> wait_for_bell(const WaitList& list, Deadline deadline) {
  const ArenaCore& core = *list.shared.front().core;
  const Bell& bell = own_bell(core);
  for (;;) {
    const std::uint32_t rings = bell.rings.load();
    const bool is_last = deadline.passed();
    enter_watcher(core, list.shared, is_last);
    finish_entering(core);
    auto ready = list.found();
    if (!ready.empty() || is_last) return ready;
    os::futex_wait(bell.rings, rings, deadline.remaining(kSleepSlice));
  }
}

std::vector<std::size_t> wait_for_both(WaitList& list, Deadline deadline) {
  Listening listening(list.shared);
  list.descriptors.push_back({listening.descriptor(), POLLIN, 0});
  for (;;) {
    (void)os::poll_until(list.descriptors, deadline, "wait");
    const bool is_last = deadline.passed();
    if (is_last) settle_watched(list.shared, is_last);
    auto ready = list.found();
    if (!ready.empty() || is_last) return ready;
    listening.listen_again();
  }
}

}  // namespace

std::vector<std::size_t> detail::wait_for_any(std::span<const Waitable> objects, Deadline deadline) {
  if (objects.empty() && deadline.is_never())
    throw InvalidArgument("wait: nothing to wait for, and no deadline: it would never return");
  WaitList list(objects);
  auto ready = list.look(deadline.is_now());
  if (!ready.empty() || deadline.is_now()) return ready;
  if (list.shared.empty()) return wait_for_descriptors(list, deadline);
  return list.descriptors.empty() && list.is_one_arena() ? wait_for_bell(list, deadline)
                                                         : wait_for_both(list, deadline);
}

}  // namespace polyproc::inline v0
