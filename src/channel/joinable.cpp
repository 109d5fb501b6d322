// SPDX-License-Identifier: MIT
// task_done and join. Each process that gets items from a joinable queue has a count of those that it got, which is
// committed by the same store as the get itself, and of those that it settled, so that a consumer killed at any
// instruction leaves counts that are exact, and join can settle its items for it.
#include <algorithm>
#include <limits>

#include <polyproc/channel/byte_queue.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>

#include "arena/block_heap.hpp"
#include "channel/open_items.hpp"
#include "channel/queue_release.hpp"
#include "channel/queue_state.hpp"
#include "sync/sleepers.hpp"

namespace polyproc::inline v0 {
namespace {

OpenItems& open_items_at(const Region& region, std::uint64_t block) {
  return region.at<OpenItems>(block + kBlockHeaderBytes);
}

std::uint64_t find_open_items(const Region& region, const QueueState& queue, std::uint64_t process) {
  std::uint64_t block = queue.open_items;
  while (block != 0 && open_items_at(region, block).process != process)
    block = open_items_at(region, block).next;
  return block;
}

std::uint64_t unsettled(const QueueState& queue) noexcept {
  return queue.get.items() - queue.done.load(std::memory_order_relaxed);
}

}  // namespace

// The block of this process's count, made at its first get; 0 for queues that are not joinable.
std::uint64_t ByteQueue::own_open_items() const {
  if (state_->joinable == 0) return 0;
  {
    Transaction section(*core_);
    if (const std::uint64_t known = find_open_items(section.region(), *state_, core_->identity()); known != 0)
      return known;
  }
  settle_dead();  // so that the list does not grow where consumers come and go
  Transaction section(*core_);
  if (const std::uint64_t known = find_open_items(section.region(), *state_, core_->identity()); known != 0)
    return known;  // made by another thread
  const std::uint64_t made = BlockHeap(section).allocate_table(sizeof(OpenItems));
  OpenItems& open = open_items_at(section.region(), made);
  open.next = state_->open_items;
  open.process = core_->identity();
  section.set(state_->open_items, made);
  section.commit();
  return made;
}

// Whoever died in the getting end may have counted an item that it did not get. Under the arena's lock: join must not
// read the count while the next item is got.
void ByteQueue::restore_after_death(const BiasedSection& section) const {
  if (!section.owner_died() || state_->joinable == 0) return;
  Transaction locked(*core_);
  const std::uint64_t commit = state_->get.commit.load(std::memory_order_relaxed);
  for (std::uint64_t block = state_->open_items; block != 0;) {
    OpenItems& open = open_items_at(locked.region(), block);
    forget_uncommitted(open, commit);
    block = open.next;
  }
}

void ByteQueue::task_done() {
  if (state().joinable == 0) throw UsageError("task_done: this is no JoinableQueue");
  const std::uint64_t own = own_open_items();
  bool all_done = false;
  {
    Transaction section(*core_);
    if (unsettled(*state_) == 0)
      throw UsageError("task_done: called more often than items were got from the queue");
    OpenItems& open = open_items_at(section.region(), own);
    section.set(open.settled, open.settled + 1);
    section.set(state_->done, state_->done.load(std::memory_order_relaxed) + 1);
    POLYPROC_FAIL_POINT("queue.task_done.counted");
    section.commit();
    all_done = state_->done.load(std::memory_order_relaxed) == state_->put.items();
  }
  if (all_done)
    (void)wake_sleepers(state_->joiners, core_->header().fenced != 0, std::numeric_limits<int>::max());
}

// Settles what dead consumers left open.
void ByteQueue::settle_dead() const {
  Transaction section(*core_);
  const Region& region = section.region();
  for (std::uint64_t* link = &state_->open_items; *link != 0;) {
    const std::uint64_t block = *link;
    const OpenItems& open = open_items_at(region, block);
    if (core_->alive(open.process)) {
      link = &open_items_at(region, block).next;
      continue;
    }
    const std::uint64_t got = got_items(open, state_->get.commit.load(std::memory_order_acquire));
    const std::uint64_t count = got > open.settled ? std::min(got - open.settled, unsettled(*state_)) : 0;
    section.set(state_->done, state_->done.load(std::memory_order_relaxed) + count);
    section.set(state_->lost, state_->lost.load(std::memory_order_relaxed) + count);
    section.set(*link, open.next);
    BlockHeap(section).free(block);
    section.commit();
  }
}

QueueStatus ByteQueue::join(Deadline deadline, std::uint64_t& lost) {
  if (state().joinable == 0) throw UsageError("join: this is no JoinableQueue");
  for (;;) {
    settle_dead();
    const std::uint32_t announced = announce_sleeper(state_->joiners, core_->header().fenced != 0);
    // Puts are read first: all items put until then are done if as many are done afterwards.
    const std::uint64_t put = state_->put.items();
    if (state_->done.load(std::memory_order_acquire) >= put) break;
    if (deadline.passed()) return QueueStatus::timed_out;
    sleep_announced(state_->joiners, announced, deadline);
  }
  Transaction section(*core_);
  lost = state_->lost.load(std::memory_order_relaxed);
  section.set(state_->lost, 0);
  section.commit();
  return QueueStatus::done;
}

void release_open_items(ArenaCore& core, QueueState& queue) {
  while (queue.open_items != 0) {
    Transaction section(core);
    const std::uint64_t block = queue.open_items;
    section.set(queue.open_items, open_items_at(section.region(), block).next);
    BlockHeap(section).free(block);
    section.commit();
  }
}

}  // namespace polyproc::inline v0
