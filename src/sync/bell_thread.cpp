// SPDX-License-Identifier: MIT
// What a thread listens for changes under one mutex, which it holds while it looks, not while it sleeps. Who begins to
// listen enters the objects itself: the thread sleeps on the same bell, and is woken.
#include "sync/bell_thread.hpp"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <mutex>

#include <polyproc/os/error.hpp>

#include "arena/arena_core.hpp"
#include "os/futex.hpp"
#include "os/own_thread.hpp"
#include "sync/sleepers.hpp"
#include "sync/watch.hpp"

namespace polyproc::inline v0 {

struct BellThreads {
  struct One {
    std::shared_ptr<ArenaCore> core;
    bool end = false;
  };

  std::mutex mutex;
  std::vector<Listening*> listening;
  std::vector<std::shared_ptr<One>> threads;
  std::atomic<int> running{0};

  // Never destroyed: threads may outlive static objects.
  static BellThreads& all();

  void start(const std::shared_ptr<ArenaCore>& core);
  void run(const std::shared_ptr<One>& one);
  bool look(const ArenaCore& core) const noexcept;
  static void look(const ArenaCore& core, std::span<Listening* const> those) noexcept;

  static void before_fork() { all().mutex.lock(); }
  static void in_parent() { all().mutex.unlock(); }
  static void in_child();
};

BellThreads& BellThreads::all() {
  static BellThreads& one = *[] {
    const int failed = ::pthread_atfork(&before_fork, &in_parent, &in_child);
    if (failed != 0) os::throw_os_error(failed, "pthread_atfork", "the fork handlers of wait");
    return new BellThreads;
  }();
  return one;
}

// The threads are the parent's, and who listened there does not run here.
void BellThreads::in_child() {
  BellThreads& my = all();
  for (Listening* one : my.listening) {
    one->descriptor_.reset();
    one->groups_.clear();
  }
  for (const auto& one : my.threads) one->core.reset();
  my.listening.clear();
  my.threads.clear();
  my.running.store(0);
  my.mutex.unlock();
}

// Enters the objects, and tells those of which one is ready.
void BellThreads::look(const ArenaCore& core, std::span<Listening* const> those) noexcept {
  const auto each_group = [&](auto act) {
    for (Listening* one : those) {
      for (const auto& group : one->groups_) {
        if (!one->told_ && group.core.get() == &core) act(*one, group.objects);
      }
    }
  };
  each_group([&](Listening&, const auto& objects) { enter_watcher(core, objects); });
  finish_entering(core);
  each_group([](Listening& one, const auto& objects) {
    if (any_ready(objects)) one.tell();
  });
}

// False when nobody listens in this arena.
bool BellThreads::look(const ArenaCore& core) const noexcept {
  look(core, listening);
  return std::any_of(listening.begin(), listening.end(), [&](const Listening* one) {
    return std::any_of(one->groups_.begin(), one->groups_.end(),
                       [&](const auto& group) { return group.core.get() == &core; });
  });
}

void BellThreads::run(const std::shared_ptr<One>& one) {
  const Bell& bell = own_bell(*one->core);
  bool was_idle = false;
  for (;;) {
    const std::uint32_t rings = bell.rings.load();
    {
      const std::lock_guard guard(mutex);
      const bool idle = !look(*one->core);
      if (idle && (was_idle || one->end)) {
        std::erase(threads, one);
        break;
      }
      was_idle = idle;
    }
    os::futex_wait(bell.rings, rings, kSleepSlice);
  }
}

void BellThreads::start(const std::shared_ptr<ArenaCore>& core) {
  for (const auto& one : threads) {
    if (one->core == core) return;
  }
  auto one = std::make_shared<One>();
  one->core = core;
  threads.push_back(one);
  running.fetch_add(1);
  try {
    os::start_own_thread("waiting for objects in shared memory", [this, one]() mutable {
      run(one);
      one.reset();
      running.fetch_sub(1);
      running.notify_all();
    }).detach();
  } catch (...) {
    threads.pop_back();
    running.fetch_sub(1);
    throw;
  }
}

Listening::Listening(std::vector<WatchedObject> objects)
    : descriptor_(os::checked("eventfd", "waiting for objects in shared memory",
                              [] { return ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); })) {
  for (const WatchedObject& object : objects) {
    const auto same = [&](const Group& group) { return group.core.get() == object.core; };
    auto group = std::find_if(groups_.begin(), groups_.end(), same);
    if (group == groups_.end()) group = groups_.insert(group, {object.core->shared_from_this(), {}});
    group->objects.push_back(object);
  }
  BellThreads& all = BellThreads::all();
  const std::lock_guard guard(all.mutex);
  for (const Group& group : groups_) all.start(group.core);
  all.listening.push_back(this);
  Listening* const self = this;
  for (const Group& group : groups_) BellThreads::look(*group.core, {&self, 1});
}

Listening::~Listening() {
  BellThreads& all = BellThreads::all();
  const std::lock_guard guard(all.mutex);
  std::erase(all.listening, this);
}

void Listening::tell() noexcept {
  const std::uint64_t one = 1;
  told_ = ::write(descriptor_.get(), &one, sizeof one) == sizeof one;
}

void Listening::listen_again() {
  BellThreads& all = BellThreads::all();
  const std::lock_guard guard(all.mutex);
  if (!descriptor_)
    throw UsageError("a Watcher in a forked child: it is its parent's; make another one here");
  std::uint64_t count = 0;
  if (told_) (void)!::read(descriptor_.get(), &count, sizeof count);
  told_ = false;
  Listening* const self = this;
  for (const Group& group : groups_) BellThreads::look(*group.core, {&self, 1});
}

void end_bell_threads() {
  BellThreads& all = BellThreads::all();
  {
    const std::lock_guard guard(all.mutex);
    if (!all.listening.empty()) return;
    for (const auto& one : all.threads) {
      one->end = true;
      ring(own_bell(*one->core));
    }
  }
  for (int left = all.running.load(); left != 0; left = all.running.load()) all.running.wait(left);
}

}  // namespace polyproc::inline v0
