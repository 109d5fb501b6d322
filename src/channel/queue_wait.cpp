// SPDX-License-Identifier: MIT
// Waiting at a queue's ends: polling, yielding, and at last sleeping as sync/sleepers.hpp has it. Nobody holds a lock
// while it waits.
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include <polyproc/channel/byte_queue.hpp>

#include "channel/queue_state.hpp"
#include "channel/ring_access.hpp"
#include "os/clock.hpp"
#include "os/cpu.hpp"
#include "sync/sleepers.hpp"

namespace polyproc::inline v0 {
namespace {

constexpr std::chrono::microseconds kPoll{20};
constexpr std::chrono::microseconds kNap{100};
constexpr int kMostNaps = 5;
constexpr std::uint64_t kGatherPauses = 24;
constexpr std::uint64_t kGatherLeast = 4;
constexpr std::uint32_t kGatherSkips = 64;
constexpr std::uint64_t kLongYield = 200'000;  // nanoseconds
constexpr std::uint32_t kYieldSkips = 16;
constexpr std::uint32_t kLongYieldSkips = 1024;

// Polling helps only while the other end is at work on another processor.
bool peer_runs_elsewhere(const QueueEnd& peer) noexcept {
  const int cpu = peer.cpu.load(std::memory_order_relaxed);
  return cpu >= 0 && cpu != os::current_cpu();
}

// Looks again and again for a short time, ever less often: a look takes the other end's line away from it.
template <class Ready>
bool poll(Ready ready) noexcept {
  const auto end = std::chrono::steady_clock::now() + kPoll;
  for (int pauses = 1;; pauses = std::min(pauses * 2, 16)) {
    if (ready()) return true;
    for (int i = 0; i < pauses; ++i) os::cpu_relax();
    if (pauses == 16 && std::chrono::steady_clock::now() >= end) return false;
  }
}

// Where both ends share a processor, letting the other one run costs half of sleeping and being woken. If that was in
// vain the next waits sleep at once, and many of them if a third process took the processor for long.
template <class Ready>
bool yield(QueueEnd& end, Ready ready) noexcept {
  if (const std::uint32_t skips = end.yielding.load(std::memory_order_relaxed); skips != 0) {
    end.yielding.store(skips - 1, std::memory_order_relaxed);
    return false;
  }
  const std::uint64_t begin = os::monotonic_ns();
  ::sched_yield();
  const bool is_ready = ready();
  const bool was_long = os::monotonic_ns() - begin > kLongYield;
  if (was_long || !is_ready)
    end.yielding.store(was_long ? kLongYieldSkips : kYieldSkips, std::memory_order_relaxed);
  return is_ready;
}

}  // namespace

bool ByteQueue::has_item() const noexcept { return state_->put.items() != state_->get.items(); }

bool ByteQueue::has_room(std::uint64_t items) const noexcept {
  const std::uint64_t got = state_->get.items();  // before the puts, so that the size is not underrated
  const std::uint64_t size = state_->put.items() - got;
  return size < state_->maxsize && state_->maxsize - size >= items;
}

QueueStatus ByteQueue::wait_for_item(Deadline deadline, bool& polled) const {
  if (has_item()) return QueueStatus::done;
  // In this order: what was put before the shutdown is still to be had.
  if (is_shut_down()) return has_item() ? QueueStatus::done : QueueStatus::shut_down;
  if (deadline.passed()) return QueueStatus::timed_out;
  QueueEnd& get = state_->get;
  note_current_cpu(get);
  if (!std::exchange(polled, true)) {
    const auto ready = [&] { return has_item(); };
    if (!peer_runs_elsewhere(state_->put)) {
      if (yield(get, ready)) return QueueStatus::done;
    } else if (poll(ready)) {
      let_items_gather();
      return QueueStatus::done;
    }
  }
  const std::uint32_t announced = announce_sleeper(get.sleepers, core_->header().fenced != 0);
  if (has_item() || is_shut_down()) return QueueStatus::done;
  sleep_announced(get.sleepers, announced, deadline);
  // Slept in vain: traffic has ended, and what it no longer needs goes back to the system.
  if (!has_item()) core_->give_back_surplus();
  return QueueStatus::done;
}

// A consumer that takes each item the moment it appears has the producer fetch its own line back for every put: in a
// stream, both are several times faster when it waits for the next few. So now and then it waits a little longer, and
// goes on doing so as long as more items came meanwhile; who sends one item and waits for the answer is not held up.
void ByteQueue::let_items_gather() const noexcept {
  QueueEnd& get = state_->get;
  const std::uint32_t streak = get.gathering.load(std::memory_order_relaxed);
  if (streak != 0) return get.gathering.store(streak - 1, std::memory_order_relaxed);
  const std::uint64_t before = state_->put.items();
  for (std::uint64_t i = 0; i < kGatherPauses; ++i) os::cpu_relax();
  const bool more_came = state_->put.items() - before >= kGatherLeast;
  get.gathering.store(more_came ? 0 : kGatherSkips, std::memory_order_relaxed);
}

QueueStatus ByteQueue::wait_for_room(Deadline deadline, bool& polled) const {
  if (has_room(1)) return QueueStatus::done;
  if (is_shut_down()) return QueueStatus::shut_down;
  if (deadline.passed()) return QueueStatus::timed_out;
  QueueEnd& put = state_->put;
  note_current_cpu(put);
  // While polling, a part of the queue is waited for, else both ends go in lockstep, one item at a time.
  const std::uint64_t plenty = std::max<std::uint64_t>(1, state_->maxsize / 8);
  if (!std::exchange(polled, true)) {
    const auto ready = [&] { return has_room(plenty); };
    if (peer_runs_elsewhere(state_->get) ? poll(ready) : yield(put, ready)) return QueueStatus::done;
  }
  const std::uint32_t announced = announce_sleeper(put.sleepers, core_->header().fenced != 0);
  if (!has_room(1) && !is_shut_down()) sleep_announced(put.sleepers, announced, deadline);
  return QueueStatus::done;
}

// A ring is full, and another one would be made. While a consumer is at work, reused memory is faster than more of it,
// for both: wait a moment for a good part of a large ring to come free. Not for a consumer that has got nothing since
// this was last asked.
bool ByteQueue::wait_for_ring_space(const Place& place) const {
  if (place.capacity < kLargestRing) return false;
  QueueEnd& put = state_->put;
  const auto space = [&] {
    return head_in(place.ring) + place.capacity >= place.position + place.capacity / 4;
  };
  for (int naps = 0; naps < kMostNaps; ++naps) {
    const std::uint64_t got = state_->get.items();
    if (put.got_when_full.exchange(got, std::memory_order_relaxed) == got) return false;
    note_current_cpu(put);
    if (peer_runs_elsewhere(state_->get) && poll(space)) return true;
    std::this_thread::sleep_for(kNap);  // no wake-up: it would cost the consumer more than the ring is worth
    if (space()) return true;
  }
  return false;
}

}  // namespace polyproc::inline v0
