// SPDX-License-Identifier: MIT
// Putting: finding room, writing the record, publishing it.
#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include <polyproc/channel/byte_queue.hpp>
#include <polyproc/channel/references.hpp>
#include <polyproc/os/fail_point.hpp>

#include "arena/arena_core.hpp"
#include "arena/page_heap.hpp"
#include "channel/keeper_client.hpp"
#include "channel/letter.hpp"
#include "channel/queue_state.hpp"
#include "channel/ring_access.hpp"
#include "channel/spare_entry.hpp"
#include "channel/travelling.hpp"
#include "os/clock.hpp"

namespace polyproc::inline v0 {
namespace {

// A ring that is filled this often in a row at more than 125 MB/s is outgrown, if this many times its size is free.
constexpr std::uint64_t kTimedTurns = 4;
constexpr std::uint64_t kFastNsPerByte = 8;
constexpr std::uint64_t kAbundance = 32;

}  // namespace

// Who was woken and gives up at its deadline passes the wake-up on.
QueueStatus ByteQueue::give_up_putting() const noexcept {
  if (has_room(1)) wake_putters(1);
  return QueueStatus::timed_out;
}

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

// Lines that the other end's cache still holds come dearly to both ends: a stream is several times faster in a ring that
// exceeds the caches. So one that fills its ring again and again within a short time is given a larger one, where memory
// abounds. Asked in the section.
bool ByteQueue::is_outgrown(const Place& place) const noexcept {
  QueueEnd& put = state_->put;
  if (place.capacity >= kLargestRing || place.position < put.turns_end()) return false;
  const std::uint64_t now = os::monotonic_ns();
  const bool fast = now - put.turns_began() < kTimedTurns * place.capacity * kFastNsPerByte;
  put.turns_began() = now;
  put.turns_end() = place.position + kTimedTurns * place.capacity;
  return fast && PageHeap::room(core_->region()) * kPageSize / kAbundance > place.capacity;
}

// How far the getting end is in this ring; it is at its start while it still works in one before. The cursor is valid
// if the word that names it is the same after it was read: the next one goes to the other cursor.
std::uint64_t ByteQueue::head_in(std::uint64_t ring) const noexcept {
  const QueueEnd& get = state_->get;
  for (;;) {
    const std::uint64_t word = get.commit.load(std::memory_order_acquire);
    const Cursor& cursor = get.cursors[word & 1];
    const std::uint64_t in = cursor.ring.load(std::memory_order_acquire);
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
  QueueEnd& put = state_->put;
  put.limit() = put.turns_end() = put.turns_began() = 0;  // found anew by the next put
}

// `write` fills at most `need` bytes at its place, in the critical section, once.
template <class Write>
QueueStatus ByteQueue::put_record(std::uint64_t need, Deadline deadline, Write write) {
  BiasedSection section(state_->put.lock, *core_);
  for (bool polled = false;;) {
    if (!section.enter(deadline)) return give_up_putting();
    Place place;
    const Room room = find_room(need, place);
    const bool outgrown = room == Room::enough && is_outgrown(place);
    if (room == Room::enough && !outgrown) [[likely]] {
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
    if (!outgrown && wait_for_ring_space(place)) continue;
    SpareEntry spare(*core_);
    const std::uint64_t capacity = std::max(std::bit_ceil(need * 8), place.capacity * (outgrown ? 4 : 2));
    const std::uint64_t ring = make_ring(spare.entry(), std::min(kLargestRing, capacity));
    spare.now_held();
    POLYPROC_FAIL_POINT("queue.put.ring_made");
    if (!section.enter(deadline)) return give_up_putting();
    const Room now = find_room(need, place);
    if (now != Room::ring_full && !(outgrown && now == Room::enough)) {
      section.leave();  // somebody made room, or has taken the last of the items' room
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
  return send_message(spare, message, size, deadline);
}

QueueStatus ByteQueue::put_letter(const void* data, std::size_t size, const OutgoingReferences& named,
                                  Deadline deadline) {
  if (is_shut_down()) return QueueStatus::shut_down;
  const Escrows escrows(named.others());
  std::vector<int> parcel(named.descriptors().begin(), named.descriptors().end());
  escrows.append_claims(parcel);
  const LetterContents contents{.references = named.blocks(),
                                .travelling = escrows.references(),
                                .descriptors = static_cast<std::uint32_t>(named.descriptors().size()),
                                .claims = static_cast<std::uint32_t>(escrows.size()),
                                .text = {static_cast<const std::byte*>(data), size}};
  SpareEntry spare(*core_);
  const std::uint64_t letter =
      core_->create_in(spare.entry(), BlockKind::queue_message, {}, contents.bytes(), false);
  spare.now_held();
  write_letter(*core_, letter, contents);
  if (!parcel.empty() && !store_parcel(*core_, parcel_of(*core_, letter), parcel, deadline))
    return QueueStatus::timed_out;
  return send_message(spare, letter, size, deadline);
}

QueueStatus ByteQueue::send_message(SpareEntry& spare, std::uint64_t message, std::size_t size,
                                    Deadline deadline) {
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

}  // namespace polyproc::inline v0
