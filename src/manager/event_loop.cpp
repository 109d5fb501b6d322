// SPDX-License-Identifier: MIT
#include "manager/event_loop.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <polyproc/os/error.hpp>

namespace polyproc::inline v0 {
namespace {

constexpr const char* kWhat = "a server's event loop";
constexpr std::size_t kEventsAtOnce = 256;

epoll_event event_of(int fd, std::uint32_t events) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  return event;
}

}  // namespace

EventLoop::Watcher::~Watcher() = default;

EventLoop::EventLoop()
    : epoll_(os::checked("epoll_create1", kWhat, [] { return ::epoll_create1(EPOLL_CLOEXEC); })),
      bell_(os::checked("eventfd", kWhat, [] { return ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); })) {
  epoll_event event = event_of(bell_.get(), EPOLLIN);
  os::checked("epoll_ctl", kWhat,
              [&] { return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, bell_.get(), &event); });
}

void EventLoop::add(int fd, std::uint32_t events, Watcher& watcher) {
  watchers_[fd] = &watcher;
  epoll_event event = event_of(fd, events);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return;
  const int error = errno;
  watchers_.erase(fd);
  os::throw_os_error(error, "epoll_ctl", kWhat);
}

void EventLoop::change(int fd, std::uint32_t events) {
  epoll_event event = event_of(fd, events);
  os::checked("epoll_ctl", kWhat, [&] { return ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event); });
}

void EventLoop::remove(int fd) noexcept {
  if (watchers_.erase(fd) != 0) (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

EventLoop::Timer EventLoop::at(Clock::time_point when, std::function<void()> action) {
  return timers_.emplace(when, std::move(action));
}

void EventLoop::look_away(const Watcher& watcher) noexcept {
  for (auto& each : looked_at_)
    if (each.watcher == &watcher) each.watcher = nullptr;
}

// The processor is offered to others between two rounds in vain: they may be those whose input is looked for.
void EventLoop::look_around() {
  const auto now = Clock::now();
  bool found = false;
  for (std::size_t i = 0; i < looked_at_.size(); ++i) {  // it may grow
    Watcher* const watcher = looked_at_[i].watcher;
    if (watcher == nullptr) continue;
    if (watcher->look()) {
      looked_at_[i].last_input = now;
      found = true;
    } else if (now - looked_at_[i].last_input >= watcher->patience() && watcher->rest()) {
      looked_at_[i].watcher = nullptr;
    }
  }
  std::erase_if(looked_at_, [](const LookedAt& each) { return each.watcher == nullptr; });
  if (!found) (void)offering_.offer();
}

void EventLoop::post(std::function<void()> action) {
  {
    const std::lock_guard lock(posting_);
    posted_.push_back(std::move(action));
  }
  const std::uint64_t one = 1;
  (void)!::write(bell_.get(), &one, sizeof one);  // a full counter has rung
}

void EventLoop::take_posted() {
  std::uint64_t count = 0;
  (void)!::read(bell_.get(), &count, sizeof count);
  const std::lock_guard lock(posting_);
  deferred_.insert(deferred_.end(), std::move_iterator(posted_.begin()), std::move_iterator(posted_.end()));
  posted_.clear();
}

// Milliseconds, rounded up so that a timer is due when the loop looks; -1 for ever.
int EventLoop::time_left() const {
  if (!deferred_.empty() || !looked_at_.empty()) return 0;
  if (timers_.empty()) return -1;
  const auto first = timers_.begin()->first, now = Clock::now();
  if (first <= now) return 0;  // the time between overflows for one that is always due
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(first - now).count();
  return static_cast<int>(std::min<std::int64_t>(left, 3'600'000));
}

void EventLoop::run_timers() {
  while (!stopped_ && !timers_.empty() && timers_.begin()->first <= Clock::now()) {
    const auto action = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    action();
  }
}

void EventLoop::run_deferred() {
  for (const auto& action : std::exchange(deferred_, {})) action();
}

void EventLoop::run() {
  std::array<epoll_event, kEventsAtOnce> events;
  while (!stopped_) {
    const int count = os::checked("epoll_wait", kWhat, [&] {
      return ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), time_left());
    });
    for (int i = 0; i < count && !stopped_; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      if (event.data.fd == bell_.get()) {
        take_posted();
        continue;
      }
      // One that was removed meanwhile is not there any more; the number may be another one's, who finds nothing to do.
      const auto found = watchers_.find(event.data.fd);
      if (found != watchers_.end()) found->second->ready(event.events);
    }
    if (!looked_at_.empty()) look_around();
    run_timers();
    run_deferred();
  }
}

}  // namespace polyproc::inline v0
