// SPDX-License-Identifier: MIT
// A queue as a handle, and looking at it. Putting is in queue_put.cpp, getting in queue_get.cpp, waiting in
// queue_wait.cpp, the end of a queue in queue_release.cpp, task_done and join in joinable.cpp.
#include <polyproc/channel/byte_queue.hpp>

#include <algorithm>
#include <bit>
#include <ostream>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>

#include "arena/arena_core.hpp"
#include "channel/queue_release.hpp"
#include "channel/queue_state.hpp"
#include "channel/ring_access.hpp"
#include "channel/spare_entry.hpp"
#include "os/cpu.hpp"
#include "sync/sleepers.hpp"
#include "sync/watch.hpp"

namespace polyproc::inline v0 {
namespace {

constexpr std::uint64_t kUnbounded = std::uint64_t{1} << 62;

}  // namespace

void note_current_cpu(QueueEnd& end) noexcept {
  const int cpu = os::current_cpu();
  if (end.cpu.load(std::memory_order_relaxed) != cpu) end.cpu.store(cpu, std::memory_order_relaxed);
}

ByteQueue::ByteQueue(const Arena& arena, BlockKind kind, const ElementType& type, std::uint64_t maxsize) {
  bind(BlockRef::create(arena, BlockKind::bytes, type, sizeof(QueueState)));
  state_->maxsize = maxsize == 0 ? kUnbounded : std::min(maxsize, kUnbounded);
  state_->joinable = kind == BlockKind::joinable_queue ? 1 : 0;
  for (QueueEnd* end : {&state_->put, &state_->get}) {
    end->lock.need = 1;
    end->cpu.store(-1, std::memory_order_relaxed);
  }
  core_->become(block_.handle().offset, kind);
  make_first_ring();
}

ByteQueue::ByteQueue(BlockRef block, BlockKind kind, const ElementType& type) {
  check_type(block, kind, type);
  bind(std::move(block));
  if (state_->life.load(std::memory_order_acquire) != static_cast<std::uint64_t>(QueueLife::ready)) {
    throw UsageError("opening a queue: it is not complete; its maker has not returned from the constructor");
  }
}

ByteQueue::ByteQueue(const Arena& arena, const std::string& name, BlockKind kind, const ElementType& type,
                     std::uint64_t maxsize)
    : ByteQueue(arena.find_or_publish(name, [&] { return ByteQueue(arena, kind, type, maxsize).block(); }),
                kind, type) {}

// Views are each handle's own: the original's may be changing at this moment.
ByteQueue::ByteQueue(const ByteQueue& other) noexcept
    : block_(other.block_), state_(other.state_), core_(other.core_) {}
ByteQueue::ByteQueue(ByteQueue&& other) noexcept
    : block_(std::move(other.block_)),
      state_(std::exchange(other.state_, nullptr)),
      core_(std::exchange(other.core_, nullptr)) {}
ByteQueue& ByteQueue::operator=(const ByteQueue& other) noexcept { return *this = ByteQueue(other); }
ByteQueue& ByteQueue::operator=(ByteQueue&& other) noexcept {
  block_ = std::move(other.block_);
  state_ = std::exchange(other.state_, nullptr);
  core_ = std::exchange(other.core_, nullptr);
  put_view_ = get_view_ = {};
  return *this;
}

void ByteQueue::bind(BlockRef block) {
  register_queue_release();
  block_ = std::move(block);
  state_ = reinterpret_cast<QueueState*>(block_.data());
  core_ = &block_.core();
}

void ByteQueue::close() noexcept {
  block_ = BlockRef();
  state_ = nullptr;
  core_ = nullptr;
  put_view_ = get_view_ = {};
}

QueueState& ByteQueue::state() const {
  block_.require("using a queue");
  return *state_;
}

std::uint64_t ByteQueue::make_ring(Entry* entry, std::uint64_t capacity) {
  const std::uint64_t ring =
      core_->create_in(entry, BlockKind::queue_ring, {}, sizeof(RingHeader) + capacity, false);
  auto& header = core_->region().at<RingHeader>(ring + kBlockHeaderBytes);
  header.next = 0;
  header.capacity = capacity;
  return ring;
}

void ByteQueue::make_first_ring() {
  SpareEntry spare(*core_);
  const std::uint64_t ring = make_ring(spare.entry(), kFirstRing);
  Entry* entry = spare.release();
  state_->put.cursors[0].ring.store(ring, std::memory_order_relaxed);
  state_->get.cursors[0].ring.store(ring, std::memory_order_relaxed);
  core_->will_send(entry, state_->life, 0);
  POLYPROC_FAIL_POINT("queue.before_ready");
  state_->life.store(static_cast<std::uint64_t>(QueueLife::ready), std::memory_order_release);
  POLYPROC_FAIL_POINT("queue.ready");
  core_->sent(entry);
}

const ByteQueue::RingView& ByteQueue::map_ring(RingView& known, std::uint64_t ring) const {
  const auto& header = core_->region().at<RingHeader>(ring + kBlockHeaderBytes);
  const std::uint64_t capacity = header.capacity;
  if (!std::has_single_bit(capacity) || capacity < kFirstRing || capacity > kLargestRing) {
    throw CorruptArena(fmt::format("queue: a ring of {} bytes cannot be", capacity));
  }
  std::byte* data = core_->region().bytes(ring + kBlockHeaderBytes + sizeof(RingHeader), capacity);
  // A fork by another thread copies the view at any moment: it must never look whole while it is not.
  known.ring = 0;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  known.capacity = capacity;
  known.data = data;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  known.ring = ring;
  return known;
}

void ByteQueue::wake_getters(std::uint64_t items) const noexcept {
  ArenaHeader& arena = core_->header();
  if (wake_sleepers(state_->get.sleepers, arena.fenced != 0, items)) [[unlikely]]
    ring_watchers(arena, state_->get.sleepers, state_->get.watchers);
}

void ByteQueue::wake_putters(std::uint64_t items) const noexcept {
  (void)wake_sleepers(state_->put.sleepers, core_->header().fenced != 0, items);
}

std::uint64_t ByteQueue::maxsize() const { return state().maxsize == kUnbounded ? 0 : state().maxsize; }

// Exact: the same count of gets before and after the count of puts was read means that it was so at that instant.
std::uint64_t ByteQueue::qsize() const {
  const QueueState& queue = state();
  for (int tries = 0; tries < 1000; ++tries) {
    const std::uint64_t got = queue.get.items();
    const std::uint64_t put = queue.put.items();
    if (queue.get.items() == got) return put - got;
  }
  BiasedSection section(state_->get.lock,
                        *core_);  // consumers are too busy to be watched: stop them for a moment
  (void)section.enter(Deadline::never());
  return queue.put.items() - queue.get.items();
}

bool ByteQueue::full() const { return qsize() >= state().maxsize; }
bool ByteQueue::is_shut_down() const { return state().shut_down.load(std::memory_order_acquire) != 0; }

Waitable ByteQueue::waitable() const {
  QueueState& queue = state();
  const auto ready = [](const void* watched) noexcept {
    const auto& its = *static_cast<const QueueState*>(watched);
    return its.put.items() != its.get.items() || its.shut_down.load(std::memory_order_acquire) != 0;
  };
  return Waitable(WatchedObject{core_, &queue.get.sleepers, &queue.get.watchers, ready, &queue});
}

std::ostream& operator<<(std::ostream& out, const ByteQueue& queue) {
  if (!queue.block_) return out << "<queue, closed>";
  return out << fmt::format("<queue of '{}', {} items>", queue.block_.type().format, queue.qsize());
}

}  // namespace polyproc::inline v0
