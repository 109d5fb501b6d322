// SPDX-License-Identifier: MIT
// The end of a queue: shutdown, and what happens to its items and rings when the last reference is gone. Both take the
// items one by one as a consumer does, so that a process killed in the middle leaves the rest to the next.
#include <vector>

#include <polyproc/channel/byte_queue.hpp>

#include "channel/letter.hpp"
#include "channel/queue_release.hpp"

#include "channel/queue_state.hpp"
#include "channel/spare_entry.hpp"
#include "sync/sleepers.hpp"
#include "sync/waiter_list.hpp"

namespace polyproc::inline v0 {

void ByteQueue::shutdown(bool immediate) {
  QueueState& queue = state();
  {
    BiasedSection section(queue.put.lock, *core_);  // a put that has been let in finishes first
    (void)section.enter(Deadline::never());
    queue.shut_down.store(1, std::memory_order_release);
  }
  if (immediate) drop_all();
  constexpr std::uint64_t kAll = std::uint64_t{1} << 30;
  wake_getters(kAll);
  wake_putters(kAll);
  (void)wake_sleepers(queue.joiners, core_->header().fenced != 0, kAll);
}

void ByteQueue::drop_all() {
  struct DroppingSink : QueueSink {
    std::vector<std::byte> buffer;
  } nowhere{{.data = nullptr, .capacity = 0, .grow = nullptr, .reserve = nullptr, .assign = nullptr}, {}};
  nowhere.grow = [](QueueSink& sink, std::size_t needed) {
    auto& buffer = static_cast<DroppingSink&>(sink).buffer;
    buffer.resize(needed);
    sink.data = buffer.data();
    sink.capacity = needed;
  };
  nowhere.reserve = [](QueueSink& sink, std::size_t needed) { sink.reserved = needed; };
  nowhere.assign = [](QueueSink&, std::span<const std::byte>) noexcept {};
  while (get(nowhere, Deadline::now()) == QueueStatus::done) {
    if (state_->joinable != 0) task_done();
  }
}

namespace {

// Walks the records of a queue that nobody refers to any more.
class QueueEmptier {
 public:
  QueueEmptier(ArenaCore& core, QueueState& queue) : core_(core), queue_(queue) {}

  void run() {
    const std::uint64_t word = queue_.get.commit.load(std::memory_order_relaxed);
    ring_ = queue_.get.cursors[word & 1].ring.load(std::memory_order_relaxed);
    position_ = queue_.get.cursors[word & 1].position.load(std::memory_order_relaxed);
    for (std::uint64_t left = queue_.put.items() - (word >> 1); left > 0;) left -= pass_record();
    release_last_ring();
  }

 private:
  // Passes one record; the number of items in it.
  std::uint64_t pass_record() {
    const auto& header = core_.region().at<RingHeader>(ring_ + kBlockHeaderBytes);
    const std::uint64_t at =
        ring_ + kBlockHeaderBytes + sizeof(RingHeader) + (position_ & (header.capacity - 1));
    const std::uint64_t word = core_.region().at<std::uint64_t>(at);
    switch (kind_of(word)) {
      case RecordKind::skip:
        position_ += header.capacity - (position_ & (header.capacity - 1));
        return 0;
      case RecordKind::jump:
        drained_ = ring_;
        ring_ = header.next;
        position_ = 0;
        return 0;
      case RecordKind::message:
        position_ += record_bytes(8);
        commit(core_.region().at<std::uint64_t>(at + kRecordHeader));
        return 1;
      case RecordKind::data:
        position_ += record_bytes(length_of(word));
        // Bytes need no release; they are passed anew by whoever starts again.
        if (drained_ != 0)
          commit(0);
        else
          ++passed_;
        return 1;
    }
    return queue_.put.items();  // no such record: the memory is damaged, give up on the rest
  }

  // Takes what has been passed and one record more, with the message and the ring that it releases.
  void commit(std::uint64_t message) {
    QueueEnd& get = queue_.get;
    const std::uint64_t word = get.commit.load(std::memory_order_relaxed);
    const std::uint64_t next = (word & 1) ^ 1;
    SpareEntry of_message(core_);
    SpareEntry of_ring(core_);
    of_message.claim();
    of_ring.claim();
    if (message != 0) of_message.will_receive(message, get.commit, word | 1);
    if (drained_ != 0) of_ring.will_receive(drained_, get.commit, word | 1);
    get.cursors[next].ring.store(ring_, std::memory_order_release);
    get.cursors[next].position.store(position_, std::memory_order_release);
    get.commit.store(((word >> 1) + passed_ + 1) << 1 | next, std::memory_order_release);
    if (message != 0) of_message.received();
    if (drained_ != 0) of_ring.received();
    passed_ = 0;
    drained_ = 0;
  }

  void release_last_ring() {
    SpareEntry last(core_);
    last.claim();
    last.will_receive(ring_, queue_.life, static_cast<std::uint64_t>(QueueLife::ready));
    queue_.life.store(static_cast<std::uint64_t>(QueueLife::emptied), std::memory_order_release);
    last.received();
  }

  ArenaCore& core_;
  QueueState& queue_;
  std::uint64_t ring_ = 0;
  std::uint64_t position_ = 0;
  std::uint64_t drained_ = 0;
  std::uint64_t passed_ = 0;  // data records behind the committed cursor
};

void release_queue(ArenaCore& core, std::uint64_t block) {
  auto& queue = core.region().at<QueueState>(block + kBlockHeaderBytes);
  if (queue.life.load(std::memory_order_acquire) == static_cast<std::uint64_t>(QueueLife::ready)) {
    QueueEmptier(core, queue).run();
  }
  release_open_items(core, queue);
}

// So that a process which only recovers what others left can release queues and lists of waiters, too.
const bool registered = (register_queue_release(), register_waiters_release(), true);

}  // namespace

void register_queue_release() noexcept {
  for (const BlockKind kind : {BlockKind::queue, BlockKind::simple_queue, BlockKind::joinable_queue}) {
    register_contents_release(kind, release_queue);
  }
  register_contents_release(BlockKind::queue_letter, release_letter);
}

}  // namespace polyproc::inline v0

// Named by the link options of the static library, so that this file is in every program that has an arena.
extern "C" [[gnu::used]] void polyproc_release_queues() noexcept {}
