// SPDX-License-Identifier: MIT
#include "sync/waiter_list.hpp"

#include <limits>

#include "os/clock.hpp"
#include "os/futex.hpp"
#include "sync/sleepers.hpp"
#include "sync/sync_states.hpp"

namespace polyproc::inline v0 {
namespace {

constexpr std::uint64_t kSlice = std::chrono::nanoseconds(kSleepSlice).count();

template <class State>
void release_list_of(ArenaCore& core, std::uint64_t block) {
  release_waiters(core, core.region().at<State>(block + kBlockHeaderBytes).waiters);
}

// Of a block that begins with a lock.
void release_list_of_lock(ArenaCore& core, std::uint64_t block) {
  release_waiters(core, core.region().at<LockState>(block + kBlockHeaderBytes).waiters);
}

void release_lists_of_condition(ArenaCore& core, std::uint64_t block) {
  release_list_of_lock(core, block);
  release_list_of<ConditionState>(core, block);
}

}  // namespace

Waiter& waiter_at(const Region& region, std::uint64_t block) {
  return region.at<Waiter>(block + kBlockHeaderBytes);
}

std::uint64_t add_waiter(Transaction& section, WaiterList& list, std::uint64_t round) {
  const std::uint64_t made = BlockHeap(section).allocate_table(sizeof(Waiter));
  Waiter& waiter = waiter_at(section.region(), made);
  waiter.process = section.core().identity();
  waiter.round = round;
  std::uint64_t* link = &list.first;
  while (*link != 0) link = &waiter_at(section.region(), *link).next;
  section.set(*link, made);
  return made;
}

void remove_waiter(Transaction& section, WaiterList& list, std::uint64_t block) {
  std::uint64_t* link = &list.first;
  while (*link != block) link = &waiter_at(section.region(), *link).next;
  section.set(*link, waiter_at(section.region(), block).next);
  BlockHeap(section).free(block);
}

// Differences are unsigned: a time that lies ahead, by another clock, only leads to more looks.
bool claim_look(WaiterList& list) noexcept {
  const std::atomic_ref looked(list.looked);
  std::uint64_t last = looked.load(std::memory_order_relaxed);
  const std::uint64_t now = os::monotonic_ns();
  return now - last >= kSlice / 2 && looked.compare_exchange_strong(last, now, std::memory_order_relaxed);
}

void note_look(WaiterList& list) noexcept {
  std::atomic_ref(list.looked).store(os::monotonic_ns(), std::memory_order_relaxed);
}

std::chrono::nanoseconds until_look(const WaiterList& list) noexcept {
  const std::uint64_t last =
      std::atomic_ref(const_cast<std::uint64_t&>(list.looked)).load(std::memory_order_relaxed);
  const std::uint64_t age = os::monotonic_ns() - last;
  return std::chrono::nanoseconds(age < kSlice ? kSlice - age : kSlice);
}

bool sleep_as(const ArenaCore& core, WaiterList& list, std::uint64_t block, Deadline deadline) {
  const Waiter& own = waiter_at(core.region(), block);
  while (own.told.load() == 0 && !deadline.passed()) {
    if (claim_look(list)) return true;
    os::futex_wait(own.told, 0, deadline.remaining(until_look(list)));
  }
  return false;
}

void wake_waiter(const ArenaCore& core, std::uint64_t block) noexcept {
  os::futex_wake(waiter_at(core.region(), block).told, std::numeric_limits<int>::max());
}

void release_waiters(ArenaCore& core, WaiterList& list) {
  while (list.first != 0) {
    Transaction section(core);
    remove_waiter(section, list, list.first);
    section.commit();
  }
}

void register_waiters_release() noexcept {
  register_contents_release(BlockKind::semaphore, release_list_of<SemaphoreState>);
  register_contents_release(BlockKind::condition, release_lists_of_condition);
  for (const BlockKind kind : {BlockKind::lock, BlockKind::rlock, BlockKind::value, BlockKind::array})
    register_contents_release(kind, release_list_of_lock);
  register_contents_release(BlockKind::barrier, release_list_of<BarrierState>);
  register_contents_release(BlockKind::shared_lock, release_list_of<SharedLockState>);
}

}  // namespace polyproc::inline v0
