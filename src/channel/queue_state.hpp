// SPDX-License-Identifier: MIT
// A queue's words in shared memory. The contract, and why a death at any instruction does no harm, is in
// docs/shared-layout.md, section Queue.
//
// Records lie in rings: blocks of a power of two of bytes, linked. A ring that is full is followed by another, larger
// one; the consumer that leaves a ring frees it. A record is a header word and its bytes, padded to 8:
//   length << 3 | kind.   data: the bytes follow.       message: the offset of a block follows, which has the bytes.
//                         skip: go on at the ring's start.   jump: go on at the start of the next ring.
//
// Each end publishes one word, `commit` = items << 1 | which cursor is valid. Whoever is inside the end prepares the
// other cursor and then stores the word: before that store nothing has happened, after it all has.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "sync/biased_mutex.hpp"

namespace polyproc::inline v0 {

struct Cursor {
  std::atomic<std::uint64_t> ring;      // offset of the ring's block
  std::atomic<std::uint64_t> position;  // grows; the place in the ring is position modulo its capacity
};

struct QueueEnd {
  BiasedMutex lock;
  alignas(64) std::atomic<std::uint64_t> commit;
  std::array<Cursor, 2> cursors;
  std::atomic<std::int32_t> cpu;         // on which a thread last worked at this end
  std::atomic<std::uint32_t> gathering;  // of the getting end: waits to go until items are let gather again
  std::atomic<std::uint64_t> got_when_full;  // of the putting end: items got when it last found its ring full
  std::atomic<std::uint32_t> yielding;  // waits to go until the processor is offered to the other end again
  // Who waits at this end (sync/sleepers.hpp), and who does so among other things (sync/watch.hpp).
  alignas(64) std::atomic<std::uint32_t> sleepers;
  std::atomic<std::uint64_t> watchers;

  // Words of the section, on the line of the bias. Items that the other end was last seen to have published; and, of the
  // putting end, the position up to which there is room in its ring, where the turns of the ring that are being timed
  // end, and when they began.
  [[nodiscard]] std::uint64_t& seen() noexcept { return lock.guarded[0]; }
  [[nodiscard]] std::uint64_t& limit() noexcept { return lock.guarded[1]; }
  [[nodiscard]] std::uint64_t& turns_end() noexcept { return lock.guarded[2]; }
  [[nodiscard]] std::uint64_t& turns_began() noexcept { return lock.guarded[3]; }
  [[nodiscard]] std::uint64_t items() const noexcept { return commit.load(std::memory_order_acquire) >> 1; }
};

// 0 while the queue is being made, 1: usable, 2: its last ring has been released.
enum class QueueLife : std::uint64_t { making = 0, ready = 1, emptied = 2 };

struct QueueState {
  std::uint64_t maxsize;                 // items; the largest value when unbounded
  std::atomic<std::uint64_t> life;       // QueueLife
  std::atomic<std::uint32_t> shut_down;  // 1: no more puts
  std::uint32_t joinable;                // 1: open items are counted (joinable.cpp)
  // Of a joinable queue, under the arena's lock:
  std::atomic<std::uint64_t> done;     // items settled by task_done, or for a dead consumer
  std::atomic<std::uint64_t> lost;     // of these: for dead consumers, not reported by join yet
  std::uint64_t open_items;            // first OpenItems
  std::atomic<std::uint32_t> joiners;  // like sleepers
  QueueEnd put;
  QueueEnd get;
};

// What one process has got from a joinable queue: `count` items in all, if the getting end's commit is above `above`.
// The one of two with the higher `above` stands; the other is prepared before each get (open_items.hpp).
struct GotItems {
  std::atomic<std::uint64_t> above;  // 0: never used, count 0
  std::atomic<std::uint64_t> count;
};
struct OpenItems {
  std::uint64_t next;
  std::uint64_t process;  // identity
  std::uint64_t settled;  // by task_done; may exceed what it got, where it settled what others got
  std::array<GotItems, 2> got;
};

struct RingHeader {
  std::uint64_t next;      // the ring that follows, once this one holds a jump
  std::uint64_t capacity;  // bytes, a power of two
  std::array<std::uint64_t, 6> unused;
};
static_assert(sizeof(RingHeader) == 64);

enum class RecordKind : std::uint64_t { data = 0, message = 1, skip = 2, jump = 3 };

inline constexpr std::uint64_t kRecordHeader = 8;
[[nodiscard]] inline constexpr std::uint64_t record_word(std::uint64_t length, RecordKind kind) noexcept {
  return length << 3 | static_cast<std::uint64_t>(kind);
}
[[nodiscard]] inline constexpr RecordKind kind_of(std::uint64_t word) noexcept {
  return static_cast<RecordKind>(word & 7);
}
[[nodiscard]] inline constexpr std::uint64_t length_of(std::uint64_t word) noexcept { return word >> 3; }
[[nodiscard]] inline constexpr std::uint64_t record_bytes(std::uint64_t length) noexcept {
  return kRecordHeader + ((length + 7) & ~std::uint64_t{7});
}

inline constexpr std::uint64_t kFirstRing = 16 << 10;
inline constexpr std::uint64_t kLargestRing = 2 << 20;  // more than the cache of a core
// Longer ones travel in a block of their own; a ring has room for several of the shorter.
inline constexpr std::uint64_t kLongestInline = (128 << 10) - kRecordHeader;

}  // namespace polyproc::inline v0
