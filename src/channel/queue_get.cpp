// SPDX-License-Identifier: MIT
// Getting: finding the next record, copying it out, moving on.
#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <polyproc/channel/byte_queue.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>

#include "arena/arena_core.hpp"
#include "channel/letter.hpp"
#include "channel/open_items.hpp"
#include "channel/queue_state.hpp"
#include "channel/ring_access.hpp"
#include "channel/spare_entry.hpp"

namespace polyproc::inline v0 {

QueueStatus ByteQueue::give_up_getting() const noexcept {
  if (has_item()) wake_getters(1);
  return QueueStatus::timed_out;
}

// The record that is next, as find_record sees it in the section of the getting end.
struct ByteQueue::Record {
  std::uint64_t word = 0;  // the end's commit
  std::uint64_t ring = 0;
  std::uint64_t left = 0;      // the ring that is drained once this record is taken, 0: none
  std::uint64_t position = 0;  // of the record
  std::uint64_t length = 0;
  RecordKind kind = RecordKind::data;
  const std::byte* data = nullptr;  // behind the record's header
  std::uint64_t room = 0;           // bytes from there to the ring's end
};

// False when there is no item.
inline bool ByteQueue::next_position(Record& record) {
  QueueEnd& get = state_->get;
  record.word = get.commit.load(std::memory_order_relaxed);
  if (get.seen() <= record.word >> 1) {
    get.seen() = state_->put.items();
    if (get.seen() == record.word >> 1) return false;
  }
  const Cursor& cursor = get.cursors[record.word & 1];
  record.ring = cursor.ring.load(std::memory_order_relaxed);
  record.position = cursor.position.load(std::memory_order_relaxed);
  return true;
}

// Follows skips and jumps to a record that holds an item.
bool ByteQueue::find_record(Record& record) {
  if (!next_position(record)) return false;
  for (;;) {
    const RingView& ring = view(get_view_, record.ring);
    const std::uint64_t at = record.position & (ring.capacity - 1);
    const std::uint64_t word = read_word(ring.data + at);
    record.kind = kind_of(word);
    record.length = length_of(word);
    record.data = ring.data + at + kRecordHeader;
    record.room = ring.capacity - at - kRecordHeader;
    if (record.kind == RecordKind::data || record.kind == RecordKind::message) break;
    if (record.kind == RecordKind::skip) {
      record.position += ring.capacity - at;
    } else {
      if (record.left != 0) throw CorruptArena("queue: a ring without records");
      record.left = record.ring;
      record.ring = core_->region().at<RingHeader>(record.ring + kBlockHeaderBytes).next;
      record.position = 0;
    }
  }
  const std::uint64_t here = record.kind == RecordKind::data ? record.length : 8;
  if (here > record.room)
    throw CorruptArena(fmt::format("queue: a record of {} bytes reaches beyond its ring", here));
  return true;
}

// The other cursor is written, then the word that makes it the valid one. Producers read it beside us (head_in): it must not be
// seen to change before the last word that makes it invalid.
inline std::uint64_t ByteQueue::prepare_cursor(const Record& record, std::uint64_t end,
                                               std::uint64_t items) noexcept {
  const std::uint64_t next = (record.word & 1) ^ 1;
  state_->get.cursors[next].ring.store(record.ring, std::memory_order_release);
  state_->get.cursors[next].position.store(end, std::memory_order_release);
  POLYPROC_FAIL_POINT("queue.get.before_commit");
  return ((record.word >> 1) + items) << 1 | next;
}

inline void ByteQueue::advance(const Record& record, std::uint64_t end, std::uint64_t items) noexcept {
  state_->get.commit.store(prepare_cursor(record, end, items), std::memory_order_release);
  POLYPROC_FAIL_POINT("queue.get.committed");
  note_cpu(state_->get, record.word >> 1);
}

void ByteQueue::take(const Record& record, std::uint64_t end, std::uint64_t items, std::uint64_t open_items) {
  if (state_->joinable == 0) return advance(record, end, items);
  count_open(core_->region().at<OpenItems>(open_items + kBlockHeaderBytes), record.word, items);
  advance(record, end, items);
}

// The common case, all in one: this thread has the bias, and there is a short item in the ring.
inline bool ByteQueue::get_at_once(QueueSink& sink) {
  BiasedSection section(state_->get.lock, *core_);
  if (!section.enter_biased()) return false;
  Record record;
  if (!next_position(record)) return false;
  const RingView& ring = view(get_view_, record.ring);
  const std::uint64_t at = record.position & (ring.capacity - 1);
  const std::uint64_t word = read_word(ring.data + at);
  const std::uint64_t length = length_of(word);
  if (kind_of(word) != RecordKind::data || length > sink.capacity ||
      length > ring.capacity - at - kRecordHeader)
    return false;
  copy_record(sink.data, ring.data + at + kRecordHeader, length);
  POLYPROC_FAIL_POINT("queue.get.copied_at_once");
  advance(record, record.position + record_bytes(length), 1);
  section.leave();
  wake_putters(1);
  sink.size = length;
  return true;
}

QueueStatus ByteQueue::get(QueueSink& sink, Deadline deadline) {
  block_.require("getting from a queue");
  if (state_->joinable == 0 && get_at_once(sink)) [[likely]]
    return QueueStatus::done;
  return get_with_care(sink, deadline);
}

QueueStatus ByteQueue::get_with_care(QueueSink& sink, Deadline deadline) {
  const std::uint64_t open_items = own_open_items();
  BiasedSection section(state_->get.lock, *core_);
  SpareEntry drained(*core_);
  SpareEntry message(*core_);
  for (bool polled = false;;) {
    if (!section.enter(deadline)) return give_up_getting();
    restore_after_death(section);
    Record record;
    if (!find_record(record)) {
      section.leave();
      const QueueStatus waited = wait_for_item(deadline, polled);
      if (waited != QueueStatus::done) return waited;
      continue;
    }
    const bool is_message = record.kind == RecordKind::message;
    if (record.length > (is_message ? sink.reserved : sink.capacity)) [[unlikely]] {
      section.leave();
      (is_message ? sink.reserve : sink.grow)(sink, record.length);
      continue;
    }
    if ((is_message && !message) || (record.left != 0 && !drained)) [[unlikely]] {
      section.leave();
      message.claim();
      drained.claim();
      continue;
    }
    if (record.left != 0) drained.will_receive(record.left, state_->get.commit, record.word | 1);
    std::uint64_t block = 0;
    if (is_message) {
      block = read_word(record.data);
      message.will_receive(block, state_->get.commit, record.word | 1);
    } else {
      copy_record(sink.data, record.data, record.length);
    }
    POLYPROC_FAIL_POINT("queue.get.copied");
    take(record, record.position + record_bytes(is_message ? 8 : record.length), 1, open_items);
    section.leave();
    wake_putters(1);
    sink.size = record.length;
    if (is_message) {
      message.received();
      const bool is_letter = core_->region().at<BlockHeader>(block).kind == BlockKind::queue_letter;
      sink.assign(
          sink, {is_letter ? letter_text(*core_, block, record.length) : core_->payload(block, record.length),
                 record.length});
      if (is_letter && sink.letter != nullptr) *sink.letter = BlockRef(core_->adopt_entry(message.release()));
    }
    if (record.left != 0) drained.received();
    return QueueStatus::done;
  }
}

QueueStatus ByteQueue::get_frames(std::span<std::byte> buffer, std::size_t most, std::size_t& used,
                                  Deadline deadline) {
  block_.require("getting from a queue");
  used = 0;
  const std::uint64_t open_items = own_open_items();
  BiasedSection section(state_->get.lock, *core_);
  for (bool polled = false;;) {
    if (!section.enter(deadline)) return give_up_getting();
    restore_after_death(section);
    Record record;
    if (find_record(record)) {
      const std::uint64_t items = copy_frames(record, buffer, most, used);
      if (items == 0) return QueueStatus::done;
      take(record, record.position + used, items, open_items);
      section.leave();
      wake_putters(items);
      return QueueStatus::done;
    }
    section.leave();
    const QueueStatus waited = wait_for_item(deadline, polled);
    if (waited != QueueStatus::done) return waited;
  }
}

// Copies whole records that lie behind each other; the number of items.
std::uint64_t ByteQueue::copy_frames(const Record& record, std::span<std::byte> buffer, std::size_t most,
                                     std::size_t& used) {
  if (record.left != 0) return 0;  // leaving a ring is get()'s work
  const std::uint64_t available = std::min<std::uint64_t>(most, state_->get.seen() - (record.word >> 1));
  const std::byte* begin = record.data - kRecordHeader;
  const std::uint64_t room = std::min<std::uint64_t>(record.room + kRecordHeader, buffer.size());
  std::uint64_t items = 0;
  while (items < available && room - used >= kRecordHeader) {
    const std::uint64_t word = read_word(begin + used);
    if (kind_of(word) != RecordKind::data || record_bytes(length_of(word)) > room - used) break;
    used += record_bytes(length_of(word));
    ++items;
  }
  std::memcpy(buffer.data(), begin, used);
  return items;
}

}  // namespace polyproc::inline v0
