// SPDX-License-Identifier: MIT
// Putting and getting. Waiting is in queue_wait.cpp, the end of a queue in queue_release.cpp, task_done and join in
// joinable.cpp.
#include <polyproc/channel/byte_queue.hpp>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <ostream>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>

#include "arena/arena_core.hpp"
#include "channel/open_items.hpp"
#include "channel/queue_release.hpp"
#include "channel/queue_state.hpp"
#include "channel/queue_wait.hpp"
#include "channel/spare_entry.hpp"
#include "os/cpu.hpp"

namespace polyproc::inline v0 {
namespace {

constexpr std::uint64_t kUnbounded = std::uint64_t{1} << 62;
constexpr std::uint64_t kNoteCpuEvery = 16;

void copy_record(std::byte* to, const void* from, std::uint64_t size) noexcept {
  if (size == 8) {
    std::memcpy(to, from, 8);  // one store, no call
  } else if (size != 0) {      // an empty range may have no address
    std::memcpy(to, from, size);
  }
}

const RingHeader& ring_header(const std::byte* data) noexcept {
  return *reinterpret_cast<const RingHeader*>(data - sizeof(RingHeader));
}

void write_word(std::byte* to, std::uint64_t word) noexcept { std::memcpy(to, &word, sizeof word); }
std::uint64_t read_word(const std::byte* from) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, from, sizeof word);
  return word;
}

void note_cpu(QueueEnd& end, std::uint64_t items) noexcept {
  if (items % kNoteCpuEvery == 0) note_current_cpu(end);
}

}  // namespace

void note_current_cpu(QueueEnd& end) noexcept {
  const int cpu = os::current_cpu();
  if (end.cpu.load(std::memory_order_relaxed) != cpu) end.cpu.store(cpu, std::memory_order_relaxed);
}

ByteQueue::ByteQueue(const Arena& arena, BlockKind kind, const ElementType& type, std::uint64_t maxsize) {
  bind(BlockRef::create(arena, kind, type, sizeof(QueueState)));
  state_->maxsize = maxsize == 0 ? kUnbounded : std::min(maxsize, kUnbounded);
  state_->joinable = kind == BlockKind::joinable_queue ? 1 : 0;
  for (QueueEnd* end : {&state_->put, &state_->get}) {
    end->lock.need = 1;
    end->cpu.store(-1, std::memory_order_relaxed);
  }
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

// A ring may lie where another, smaller one lay that this handle has seen.
inline const ByteQueue::RingView& ByteQueue::view(RingView& known, std::uint64_t ring) const {
  return known.ring == ring && ring_header(known.data).capacity == known.capacity ? known
                                                                                  : map_ring(known, ring);
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
  wake_sleepers(state_->get.sleepers, core_->header().fenced != 0, items);
}

void ByteQueue::wake_putters(std::uint64_t items) const noexcept {
  wake_sleepers(state_->put.sleepers, core_->header().fenced != 0, items);
}

// Who was woken and gives up at its deadline passes the wake-up on.
QueueStatus ByteQueue::give_up_putting() const noexcept {
  if (has_room(1)) wake_putters(1);
  return QueueStatus::timed_out;
}

QueueStatus ByteQueue::give_up_getting() const noexcept {
  if (has_item()) wake_getters(1);
  return QueueStatus::timed_out;
}

// ---- putting

// What a put wrote at its place.
struct ByteQueue::Written {
  std::uint64_t bytes;
  std::uint64_t items;
};

// Does the ring have room as far as this end knows?
inline bool ByteQueue::has_place(std::uint64_t need, Place& place) {
  QueueEnd& put = state_->put;
  place.word = put.commit.load(std::memory_order_relaxed);
  const Cursor& cursor = put.cursors[place.word & 1];
  place.ring = cursor.ring.load(std::memory_order_relaxed);
  place.position = cursor.position.load(std::memory_order_relaxed);
  const RingView& ring = view(put_view_, place.ring);
  const std::uint64_t at = place.position & (ring.capacity - 1);
  place.data = ring.data + at;
  place.capacity = ring.capacity;
  return place.position + need <= put.limit() && at + need <= ring.capacity &&
         (place.word >> 1) < put.seen() + state_->maxsize &&
         state_->shut_down.load(std::memory_order_relaxed) == 0;
}

// Looks at the other end where need be, and passes the ring's end with a skip.
ByteQueue::Room ByteQueue::find_room(std::uint64_t need, Place& place) {
  if (has_place(need, place)) return Room::enough;
  QueueEnd& put = state_->put;
  if (state_->shut_down.load(std::memory_order_acquire) != 0) return Room::shut_down;
  put.seen() = state_->get.items();
  if ((place.word >> 1) - put.seen() >= state_->maxsize) return Room::items_full;
  // Room for one more header stays free at all times: for the jump to another ring.
  put.limit() = head_in(place.ring) + put_view_.capacity - kRecordHeader;
  const std::uint64_t at = place.position & (put_view_.capacity - 1);
  const std::uint64_t skipped = at + need > put_view_.capacity ? put_view_.capacity - at : 0;
  if (place.position + skipped + need > put.limit()) return Room::ring_full;
  if (skipped != 0) {
    write_word(place.data, record_word(0, RecordKind::skip));
    place.position += skipped;
    place.data = put_view_.data;
  }
  return Room::enough;
}

// How far the getting end is in this ring; it is at its start while it still works in one before. The cursor is valid
// if the word that names it is the same after it was read: the next one goes to the other cursor.
std::uint64_t ByteQueue::head_in(std::uint64_t ring) const noexcept {
  const QueueEnd& get = state_->get;
  for (;;) {
    const std::uint64_t word = get.commit.load(std::memory_order_acquire);
    const Cursor& cursor = get.cursors[word & 1];
    const std::uint64_t in = cursor.ring.load(std::memory_order_relaxed);
    const std::uint64_t position = cursor.position.load(std::memory_order_acquire);
    if (get.commit.load(std::memory_order_relaxed) == word) return in == ring ? position : 0;
  }
}

inline void ByteQueue::publish(const Place& place, const Written& written) noexcept {
  QueueEnd& put = state_->put;
  const std::uint64_t next = (place.word & 1) ^ 1;
  put.cursors[next].ring.store(place.ring, std::memory_order_relaxed);
  put.cursors[next].position.store(place.position + written.bytes, std::memory_order_relaxed);
  POLYPROC_FAIL_POINT("queue.put.before_commit");
  put.commit.store(((place.word >> 1) + written.items) << 1 | next, std::memory_order_release);
  POLYPROC_FAIL_POINT("queue.put.committed");
  note_cpu(put, place.word >> 1);
}

// Ends the ring at `place` with a jump to `ring`, which `entry` holds until the record in it is published.
void ByteQueue::follow_new_ring(Place& place, Entry* entry, std::uint64_t ring) {
  core_->region().at<RingHeader>(place.ring + kBlockHeaderBytes).next = ring;
  write_word(place.data, record_word(0, RecordKind::jump));
  core_->will_send(entry, state_->put.commit, place.word | 1);
  POLYPROC_FAIL_POINT("queue.put.ring_linked");
  place.ring = ring;
  place.position = 0;
  place.data = view(put_view_, ring).data;
  state_->put.limit() = 0;  // found anew by the next put
}

// `write` fills at most `need` bytes at its place, in the critical section, once.
template <class Write>
QueueStatus ByteQueue::put_record(std::uint64_t need, Deadline deadline, Write write) {
  BiasedSection section(state_->put.lock, *core_);
  for (bool polled = false;;) {
    if (!section.enter(deadline)) return give_up_putting();
    Place place;
    Room room = find_room(need, place);
    if (room == Room::enough) [[likely]] {
      const Written written = write(place);
      publish(place, written);
      section.leave();
      wake_getters(written.items);
      return QueueStatus::done;
    }
    section.leave();
    if (room == Room::shut_down) return QueueStatus::shut_down;
    if (room == Room::items_full) {
      const QueueStatus waited = wait_for_room(deadline, polled);
      if (waited != QueueStatus::done) return waited;
      continue;
    }
    if (wait_for_ring_space(place)) continue;
    SpareEntry spare(*core_);
    const std::uint64_t capacity =
        std::min(kLargestRing, std::max(std::bit_ceil(need * 8), place.capacity * 2));
    const std::uint64_t ring = make_ring(spare.entry(), capacity);
    spare.now_held();
    POLYPROC_FAIL_POINT("queue.put.ring_made");
    if (!section.enter(deadline)) return give_up_putting();
    if (find_room(need, place) !=
        Room::ring_full) {  // somebody made room, or has taken the last of the items' room
      section.leave();
      continue;
    }
    follow_new_ring(place, spare.entry(), ring);
    const Written written = write(place);
    publish(place, written);
    section.leave();
    core_->sent(spare.release());
    wake_getters(written.items);
    return QueueStatus::done;
  }
}

// The common case, all in one: this thread has the bias, and there is room in the ring.
inline bool ByteQueue::put_at_once(const void* data, std::size_t size) {
  QueueEnd& put = state_->put;
  BiasedSection section(put.lock, *core_);
  if (!section.enter_biased()) return false;
  Place place;
  if (!has_place(record_bytes(size), place)) return false;
  write_word(place.data, record_word(size, RecordKind::data));
  copy_record(place.data + kRecordHeader, data, size);
  POLYPROC_FAIL_POINT("queue.put.copied_at_once");
  publish(place, {record_bytes(size), 1});
  section.leave();
  wake_getters(1);
  return true;
}

QueueStatus ByteQueue::put(const void* data, std::size_t size, Deadline deadline) {
  block_.require("putting into a queue");
  if (size > kLongestInline) return put_message(data, size, deadline);
  if (put_at_once(data, size)) [[likely]]
    return QueueStatus::done;
  return put_record(record_bytes(size), deadline, [&](const Place& place) {
    write_word(place.data, record_word(size, RecordKind::data));
    copy_record(place.data + kRecordHeader, data, size);
    POLYPROC_FAIL_POINT("queue.put.copied");
    return Written{record_bytes(size), 1};
  });
}

// The bytes are copied before any lock is taken; the record passes the block on.
QueueStatus ByteQueue::put_message(const void* data, std::size_t size, Deadline deadline) {
  if (is_shut_down()) return QueueStatus::shut_down;
  SpareEntry spare(*core_);
  const std::uint64_t message = core_->create_in(spare.entry(), BlockKind::queue_message, {}, size, false);
  spare.now_held();
  std::memcpy(core_->payload(message, size), data, size);
  POLYPROC_FAIL_POINT("queue.put.message_copied");
  const QueueStatus status = put_record(record_bytes(8), deadline, [&](const Place& place) {
    write_word(place.data, record_word(size, RecordKind::message));
    write_word(place.data + kRecordHeader, message);
    core_->will_send(spare.entry(), state_->put.commit, place.word | 1);
    POLYPROC_FAIL_POINT("queue.put.message_named");
    return Written{record_bytes(8), 1};
  });
  if (status == QueueStatus::done) core_->sent(spare.release());
  return status;
}

QueueStatus ByteQueue::put_frames(std::span<const std::byte>& frames, Deadline deadline) {
  block_.require("putting into a queue");
  constexpr std::uint64_t kMostBytes = kFirstRing / 2;  // bounds how long others are kept out
  std::uint64_t bytes = 0;
  while (bytes < frames.size()) {
    const std::uint64_t more = record_bytes(length_of(read_word(frames.data() + bytes)));
    if (bytes + more > kMostBytes) break;
    bytes += more;
  }
  if (bytes == 0) {  // a long one, alone
    const std::uint64_t length = length_of(read_word(frames.data()));
    const QueueStatus status = put(frames.data() + kRecordHeader, length, deadline);
    if (status == QueueStatus::done) frames = frames.subspan(record_bytes(length));
    return status;
  }
  std::uint64_t done = 0;
  const QueueStatus status = put_record(bytes, deadline, [&](const Place& place) {
    const std::uint64_t room = state_->put.seen() + state_->maxsize - (place.word >> 1);
    std::uint64_t items = 0;
    for (done = 0; done < bytes && items < room; ++items)
      done += record_bytes(length_of(read_word(frames.data() + done)));
    std::memcpy(place.data, frames.data(), done);
    return Written{done, items};
  });
  if (status == QueueStatus::done) frames = frames.subspan(done);
  return status;
}

// ---- getting

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

bool ByteQueue::find_record(Record& record) {
  QueueEnd& get = state_->get;
  record.word = get.commit.load(std::memory_order_relaxed);
  if (get.seen() <= record.word >> 1) {
    get.seen() = state_->put.items();
    if (get.seen() == record.word >> 1) return false;
  }
  const Cursor& cursor = get.cursors[record.word & 1];
  record.ring = cursor.ring.load(std::memory_order_relaxed);
  record.position = cursor.position.load(std::memory_order_relaxed);
  record.left = 0;
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

// The other cursor is written, then the word that makes it the valid one.
inline std::uint64_t ByteQueue::prepare_cursor(const Record& record, std::uint64_t end,
                                               std::uint64_t items) noexcept {
  const std::uint64_t next = (record.word & 1) ^ 1;
  state_->get.cursors[next].ring.store(record.ring, std::memory_order_relaxed);
  state_->get.cursors[next].position.store(end, std::memory_order_relaxed);
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
  QueueEnd& get = state_->get;
  BiasedSection section(get.lock, *core_);
  if (!section.enter_biased()) return false;
  Record record;
  record.word = get.commit.load(std::memory_order_relaxed);
  if (get.seen() <= record.word >> 1) {
    get.seen() = state_->put.items();
    if (get.seen() == record.word >> 1) return false;
  }
  const Cursor& cursor = get.cursors[record.word & 1];
  record.ring = cursor.ring.load(std::memory_order_relaxed);
  record.position = cursor.position.load(std::memory_order_relaxed);
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
    if (record.length > sink.capacity) [[unlikely]] {
      section.leave();
      sink.grow(sink, record.length);
      continue;
    }
    const bool is_message = record.kind == RecordKind::message;
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
      std::memcpy(sink.data, core_->payload(block, record.length), record.length);
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

// ---- looking

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

std::ostream& operator<<(std::ostream& out, const ByteQueue& queue) {
  if (!queue.block_) return out << "<queue, closed>";
  return out << fmt::format("<queue of '{}', {} items>", queue.block_.type().format, queue.qsize());
}

}  // namespace polyproc::inline v0
