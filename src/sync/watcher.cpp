// SPDX-License-Identifier: MIT
#include <polyproc/sync/watcher.hpp>

#include <sys/epoll.h>

#include <cerrno>
#include <optional>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fd.hpp>

#include "sync/bell_thread.hpp"
#include "sync/wait_list.hpp"

namespace polyproc::inline v0 {
namespace {

void add(const os::Fd& epoll, int descriptor) {
  epoll_event readable{};
  readable.events = EPOLLIN;
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, descriptor, &readable) != 0 && errno != EEXIST)
    os::throw_os_error(errno, "epoll_ctl", fmt::format("descriptor {} of a Watcher", descriptor));
}

}  // namespace

// Objects in shared memory alone have the descriptor of who listens for them, anything else stands in an epoll instance.
struct Watcher::State {
  explicit State(std::span<const Waitable> objects) : list(objects) {
    if (!list.shared.empty()) listening.emplace(list.shared);
    if (list.descriptors.empty() && listening) return;
    epoll.reset(os::checked("epoll_create", "a Watcher", [] { return ::epoll_create1(EPOLL_CLOEXEC); }));
    for (const pollfd& one : list.descriptors) add(epoll, one.fd);
    if (listening) add(epoll, listening->descriptor());
  }

  WaitList list;
  std::optional<Listening> listening;
  os::Fd epoll;
};

Watcher::Watcher(const Waitables& objects) : state_(std::make_unique<State>(objects.span())) {}
Watcher::Watcher(Watcher&&) noexcept = default;
Watcher& Watcher::operator=(Watcher&&) noexcept = default;
Watcher::~Watcher() = default;

Watcher::State& Watcher::state() const {
  if (!state_) throw UsageError("using a Watcher: it was moved from");
  if (state_->listening && state_->listening->descriptor() < 0)
    throw UsageError("using a Watcher in a forked child: it is its parent's; make another one here");
  return *state_;
}

int Watcher::fileno() const {
  const State& its = state();
  return its.epoll ? its.epoll.get() : its.listening->descriptor();
}

std::vector<std::size_t> Watcher::ready() {
  State& its = state();
  auto ready = its.list.look();
  if (ready.empty() && its.listening) its.listening->listen_again();
  return ready;
}

}  // namespace polyproc::inline v0
