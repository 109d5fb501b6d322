// SPDX-License-Identifier: MIT
// The queue of byte strings that every typed queue is a shell around. Any number of producers and consumers, threads
// and processes; when put returns, the item is in shared memory; get commits its one item before it returns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <span>
#include <string>

#include <polyproc/arena/arena.hpp>
#include <polyproc/os/deadline.hpp>
#include <polyproc/sync/waitable.hpp>

namespace polyproc::inline v0 {

struct QueueState;
struct QueueEnd;
struct Entry;
class OutgoingReferences;
class BiasedSection;
class SpareEntry;

enum class QueueStatus { done, timed_out, shut_down };

// Where get writes an item: a short one to `data`; of a long one the sink copies the bytes itself, from shared memory.
// `grow` and `reserve` are called outside of all locks when `capacity`, or `reserved`, is too small, and must provide for
// at least `needed` bytes or throw, in which case the item stays in the queue.
struct QueueSink {
  std::byte* data;
  std::size_t capacity;
  void (*grow)(QueueSink& sink, std::size_t needed);
  void (*reserve)(QueueSink& sink, std::size_t needed);                        // for assign()
  void (*assign)(QueueSink& sink, std::span<const std::byte> bytes) noexcept;  // at most `reserved`
  std::size_t reserved = 0;
  std::size_t size = 0;        // of the item, set by get
  BlockRef* letter = nullptr;  // where get leaves the references that the item holds, if it holds any
};

// Thread-safe but for assignment and close(). All methods throw UsageError on an empty (closed, moved-from) handle.
class POLYPROC_API ByteQueue {
 public:
  // `maxsize` in items, 0: as many as the arena's limit allows.
  ByteQueue(const Arena& arena, BlockKind kind, const ElementType& type, std::uint64_t maxsize);
  // Throws TypeMismatch when the block is another kind of queue or has other elements.
  ByteQueue(BlockRef block, BlockKind kind, const ElementType& type);
  ByteQueue(const Arena& arena, const std::string& name, BlockKind kind, const ElementType& type,
            std::uint64_t maxsize);
  ByteQueue(const ByteQueue& other) noexcept;
  ByteQueue(ByteQueue&& other) noexcept;
  ByteQueue& operator=(const ByteQueue& other) noexcept;
  ByteQueue& operator=(ByteQueue&& other) noexcept;
  ~ByteQueue() = default;

  // timed_out: the queue was full (maxsize) until the deadline. Throws ArenaFull when the arena has no room for the
  // item; the queue is as before.
  [[nodiscard]] QueueStatus put(const void* data, std::size_t size, Deadline deadline);
  // An item that names shared objects or descriptors: it holds them until it is dropped, or got by a sink that has no use for
  // them. Throws OsError when descriptors cannot be kept (EMFILE: there is no room for more); the queue is as before.
  [[nodiscard]] QueueStatus put_letter(const void* data, std::size_t size, const OutgoingReferences& named,
                                       Deadline deadline);
  [[nodiscard]] QueueStatus get(QueueSink& sink, Deadline deadline);

  // Several items under one entrance, each framed as its length in bytes << 3 (8 bytes) and its bytes padded to a
  // multiple of 8. Puts a leading part of the frames, at least one; `frames` is advanced over it.
  [[nodiscard]] QueueStatus put_frames(std::span<const std::byte>& frames, Deadline deadline);
  // Gets at most `most` items, at least one, as frames of at most buffer.size() bytes altogether. An item that does not
  // fit into the buffer even alone is left to get(): then `used` is 0.
  [[nodiscard]] QueueStatus get_frames(std::span<std::byte> buffer, std::size_t most, std::size_t& used,
                                       Deadline deadline);

  // The number of items at some instant during the call.
  [[nodiscard]] std::uint64_t qsize() const;
  [[nodiscard]] bool full() const;
  // 0: unbounded.
  [[nodiscard]] std::uint64_t maxsize() const;
  // Refuses all later puts; gets go on until the queue is drained, or, when immediate, the items are dropped.
  void shutdown(bool immediate);
  [[nodiscard]] bool is_shut_down() const;

  // Of a joinable queue. task_done throws UsageError when no open item is left.
  void task_done();
  [[nodiscard]] QueueStatus join(Deadline deadline, std::uint64_t& lost);

  // Ready when getting would not wait: for an item, or because the queue is shut down.
  [[nodiscard]] Waitable waitable() const;

  void close() noexcept;
  [[nodiscard]] const BlockRef& block() const noexcept { return block_; }
  friend POLYPROC_API std::ostream& operator<<(std::ostream& out, const ByteQueue& queue);

 private:
  // A ring as this process sees it. Guarded by the lock of the end that it belongs to.
  struct RingView {
    std::uint64_t ring = 0;
    std::uint64_t capacity = 0;
    std::byte* data = nullptr;
  };
  // Where the next record goes: found in the section of the putting end, good until it is left.
  struct Place {
    std::uint64_t word = 0;  // the end's commit
    std::uint64_t ring = 0;
    std::uint64_t position = 0;  // where the record begins
    std::byte* data = nullptr;
    std::uint64_t capacity = 0;  // of the ring
  };
  struct Record;
  struct Written;
  enum class Room { enough, ring_full, items_full, shut_down };

  void bind(BlockRef block);
  QueueState& state() const;
  void make_first_ring();
  [[nodiscard]] std::uint64_t make_ring(Entry* entry, std::uint64_t capacity);
  const RingView& view(RingView& known, std::uint64_t ring) const;
  const RingView& map_ring(RingView& known, std::uint64_t ring) const;
  void restore_after_death(const BiasedSection& section) const;

  [[nodiscard]] bool put_at_once(const void* data, std::size_t size);
  [[nodiscard]] bool has_place(std::uint64_t need, Place& place);
  [[nodiscard]] Room find_room(std::uint64_t need, Place& place);
  [[nodiscard]] bool is_outgrown(const Place& place) const noexcept;
  [[nodiscard]] std::uint64_t head_in(std::uint64_t ring) const noexcept;
  void follow_new_ring(Place& place, Entry* entry, std::uint64_t ring);
  void publish(const Place& place, const Written& written) noexcept;
  template <class Write>
  QueueStatus put_record(std::uint64_t need, Deadline deadline, Write write);
  QueueStatus put_message(const void* data, std::size_t size, Deadline deadline);
  QueueStatus send_message(SpareEntry& holder, std::uint64_t message, std::size_t size, Deadline deadline);
  [[nodiscard]] bool wait_for_ring_space(const Place& place) const;

  [[nodiscard]] bool get_at_once(QueueSink& sink);
  [[nodiscard]] QueueStatus get_with_care(QueueSink& sink, Deadline deadline);
  [[nodiscard]] bool next_position(Record& record);
  [[nodiscard]] bool find_record(Record& record);
  [[nodiscard]] std::uint64_t prepare_cursor(const Record& record, std::uint64_t end,
                                             std::uint64_t items) noexcept;
  void advance(const Record& record, std::uint64_t end, std::uint64_t items) noexcept;
  void take(const Record& record, std::uint64_t end, std::uint64_t items, std::uint64_t open_items);
  [[nodiscard]] std::uint64_t copy_frames(const Record& record, std::span<std::byte> buffer, std::size_t most,
                                          std::size_t& used);
  [[nodiscard]] QueueStatus give_up_putting() const noexcept;
  [[nodiscard]] QueueStatus give_up_getting() const noexcept;
  void wake_putters(std::uint64_t items) const noexcept;
  void wake_getters(std::uint64_t items) const noexcept;

  [[nodiscard]] QueueStatus wait_for_item(Deadline deadline, bool& polled) const;
  [[nodiscard]] QueueStatus wait_for_room(Deadline deadline, bool& polled) const;
  void let_items_gather() const noexcept;
  [[nodiscard]] bool has_item() const noexcept;
  [[nodiscard]] bool has_room(std::uint64_t items) const noexcept;
  void drop_all();

  void settle_dead() const;
  [[nodiscard]] std::uint64_t own_open_items() const;

  BlockRef block_;
  QueueState* state_ = nullptr;
  ArenaCore* core_ = nullptr;
  RingView put_view_;
  RingView get_view_;
};

}  // namespace polyproc::inline v0
