// SPDX-License-Identifier: MIT
// One thread that waits for many descriptors and deadlines, and calls whoever they concern. Level-triggered epoll: what is
// left unread is reported again.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

#include <polyproc/os/fd.hpp>

#include "os/patience.hpp"

namespace polyproc::inline v0 {

class EventLoop {
 public:
  using Clock = std::chrono::steady_clock;

  class Watcher {
   public:
    virtual ~Watcher();
    // The descriptor shows one of the events, an error, or that its other side is gone. May be called once too often.
    virtual void ready(std::uint32_t events) = 0;

    // For those whose input comes by way of memory: whether there was some.
    virtual bool look() { return false; }
    // How long after the last input it pays to go on looking.
    [[nodiscard]] virtual Clock::duration patience() const { return {}; }
    // Nobody looks from now on: the descriptor shows when there is something. False when there is already.
    virtual bool rest() { return true; }
  };
  using Timers = std::multimap<Clock::time_point, std::function<void()>>;
  using Timer = Timers::iterator;

  EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // `events`: EPOLLIN, EPOLLOUT. The descriptor stays the caller's, who removes it before closing it.
  void add(int fd, std::uint32_t events, Watcher& watcher);
  void change(int fd, std::uint32_t events);
  void remove(int fd) noexcept;

  // Looks, again and again, until it rests or is to be left out: who is destroyed while it is looked at calls look_away().
  void look_at(Watcher& watcher) { looked_at_.push_back({&watcher, Clock::now()}); }
  void look_away(const Watcher& watcher) noexcept;

  [[nodiscard]] Timer at(Clock::time_point when, std::function<void()> action);
  // Of one whose action has not begun.
  void cancel(Timer timer) noexcept { timers_.erase(timer); }

  // Called by the loop before it next waits.
  void defer(std::function<void()> action) { deferred_.push_back(std::move(action)); }
  // The same from any other thread.
  void post(std::function<void()> action);

  // Until stop() is called, by one of the actions.
  void run();
  void stop() noexcept { stopped_ = true; }

 private:
  struct LookedAt {
    Watcher* watcher;
    Clock::time_point last_input;
  };
  [[nodiscard]] int time_left() const;
  void look_around();
  void run_timers();
  void run_deferred();
  void take_posted();

  os::Fd epoll_;
  os::Fd bell_;
  std::unordered_map<int, Watcher*> watchers_;
  std::vector<LookedAt> looked_at_;
  Offering offering_;
  Timers timers_;
  std::vector<std::function<void()>> deferred_;
  std::mutex posting_;
  std::vector<std::function<void()>> posted_;
  bool stopped_ = false;
};

}  // namespace polyproc::inline v0
