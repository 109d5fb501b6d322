// SPDX-License-Identifier: MIT
// The words of an arena in shared memory, as docs/shared-layout.md describes them field by field. Offsets count from
// the start of the arena's file; 0 names nothing. All fields but the atomic ones are read and written under the
// arena's lock only, and changed through its journal (transaction.hpp).
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include <polyproc/arena/handle.hpp>

namespace polyproc::inline v0 {

inline constexpr std::uint64_t kArenaMagic = 0x31617265'6e617070;  // in memory: ppanera1
inline constexpr std::uint32_t kLayoutVersion = 2;
inline constexpr std::uint32_t kLockAbi = 1;  // how lock words name their owner: see robust_word.hpp

inline constexpr std::uint64_t kPageSize = 4096;  // the unit of the page heap, whatever the system's page is
inline constexpr std::uint64_t kHeaderBytes = 16 * kPageSize;
inline constexpr unsigned kOrders = 36;  // runs of 2^0 .. 2^35 pages
inline constexpr unsigned kSizeClasses = 12;
inline constexpr unsigned kChunks = 24;  // chunk k of a table holds kFirstChunk << k slots
inline constexpr std::uint32_t kFirstChunk = 8;

// A word that is held by a process: 0 free; else generation << 32 | waiters << 31 | slot + 1.
struct RobustWord {
  std::atomic<std::uint64_t> value{0};
};

// Undo log of the critical section in progress: entries [0, count) name words and what they held before.
struct JournalEntry {
  std::uint64_t word;  // offset << 1 | 1 when the word has 4 bytes
  std::uint64_t old;
};
inline constexpr std::uint32_t kJournalEntries = 1024;
struct JournalArea {
  std::atomic<std::uint32_t> count;
  std::uint32_t unused;
  std::array<JournalEntry, kJournalEntries> entries;
};

// One per page of the heap, meaningful at the first page of a run; all zero elsewhere.
enum class PageState : std::uint32_t { inner = 0, free_run = 1, large_block = 2, slab = 3 };
struct PageDescriptor {
  std::uint32_t next;  // page of the next run in the same free list or slab list, 0: none
  std::uint32_t prev;
  PageState state;
  std::uint32_t order;      // the run has 2^order pages
  std::uint32_t accounted;  // pages counted against the limit
  std::uint32_t committed;  // leading pages that have memory behind them; the rest is a hole
  std::uint64_t slab;  // of a slab: class << 48 | used << 32 | places ever used << 16 | first free place + 1
};
static_assert(sizeof(PageDescriptor) == 32);

// What a process holds: `block` is the offset of a block, its low bits the EntryKind. The owner process alone writes
// `commit` and `position`, and changes `block` by single stores.
enum class EntryKind : std::uint64_t {
  held = 0,        // a counted reference
  sending = 1,     // ours until *commit > position: then it belongs to a published record
  receiving = 2,   // a record's until *commit > position: then it is ours
  destroying = 3,  // the last reference is gone: its contents are being released
};
inline constexpr std::uint64_t kEntryKindMask = 3;
struct Entry {
  std::atomic<std::uint64_t> block;
  std::atomic<std::uint64_t> commit;  // offset of a 64-bit counter that only grows
  std::atomic<std::uint64_t> position;
};
inline constexpr std::size_t kEntriesPerChunk = 37;
struct EntryChunk {
  std::uint64_t next;
  std::array<Entry, kEntriesPerChunk> entries;
};

// An attached process, or (embryo) one about to be, or (escrow) no process at all: references on their way in a message
// or an item. Byte `slot index` of the arena's file is locked by it, or by the descriptor that goes with the message.
enum class SlotState : std::uint32_t { free = 0, embryo = 1, live = 2, escrow = 3 };
struct ProcessSlot {
  std::atomic<SlotState> state;
  std::atomic<std::uint32_t> generation;    // grows at each use, so that old lock words never match
  std::atomic<std::uint32_t> pid;           // in its own pid namespace; for people, not for verdicts
  std::atomic<std::uint32_t> first_thread;  // index + 1 of its first thread slot
  std::uint64_t entries;                    // offset of its first EntryChunk
  RobustWord reaper;                        // who returns a dead process's references
  std::array<std::uint64_t, 12> unused;
};
static_assert(sizeof(ProcessSlot) == 128);

// The id of a slot that is free: unlike 0, never what a biased lock holds.
inline constexpr std::uint64_t kNoThread = ~std::uint64_t{0};

// A thread that uses biased locks. `inside` alone on its line: it is written twice per operation.
struct ThreadSlot {
  alignas(64) std::atomic<std::uint64_t> inside;  // offset of the biased lock that it is inside of, 0: none
  alignas(64) std::atomic<std::uint64_t> id;      // generation << 32 | index + 1; kNoThread: free
  std::atomic<std::uint64_t> process;             // generation << 32 | slot + 1 of its process
  std::atomic<std::uint32_t> next;                // index + 1 of the process's next thread slot
  std::uint32_t generation;
};
static_assert(sizeof(ThreadSlot) == 128);

// Precedes every block. `state` holds magic << 32 | reference count, so that one store makes or ends a block.
inline constexpr std::uint64_t kBlockMagic = 0x626b6c70;  // "plkb"
struct BlockHeader {
  std::atomic<std::uint64_t> state;
  std::atomic<std::uint64_t> generation;  // unique in the arena
  std::uint64_t size;                     // bytes of the payload
  BlockKind kind;
  std::uint32_t layout_version;
  std::uint64_t element_size;
  std::uint64_t element_align;
  std::array<char, 80> format;  // PEP 3118 string of the elements, or "pickle", or a name; 0-terminated
};
static_assert(sizeof(BlockHeader) == 128);
inline constexpr std::uint64_t kBlockHeaderBytes = sizeof(BlockHeader);

// On which the processes sleep whose slot number is that of the bell, modulo kBells, while they wait for several objects.
inline constexpr unsigned kBells = 64;
struct alignas(64) Bell {
  std::atomic<std::uint32_t> rings;
};

struct ArenaHeader {
  std::atomic<std::uint64_t> magic;  // stored last at creation
  std::uint32_t layout_version;
  std::uint32_t word_size;
  std::uint64_t page_size;  // kPageSize
  std::uint32_t lock_abi;
  std::uint32_t fenced;   // 1: no membarrier here, fences instead
  std::uint64_t id;       // random, never 0
  std::uint64_t reserve;  // bytes of address space that every process maps
  std::uint64_t limit_pages;
  std::uint64_t first_page;  // of the heap
  std::uint64_t end_page;
  std::uint64_t accounted_pages;  // with memory: in use, or free and kept warm
  std::uint64_t warm_pages;       // free with memory behind them
  std::uint64_t used_blocks;
  std::uint64_t next_generation;
  std::uint64_t directory;  // first DirectoryNode
  alignas(64) RobustWord lock;
  std::atomic<std::uint32_t> attachers;  // generation of slot 0, which stands for whoever is attaching
  std::uint32_t process_slots;           // slots that exist, index 0 included
  std::uint32_t thread_slots;
  std::uint32_t free_threads;  // index + 1 of the first unused thread slot
  alignas(64)
      std::array<std::uint32_t, kOrders> free_runs;  // first page of each list of free runs that have memory
  std::array<std::uint32_t, kSizeClasses> slabs;     // first slab with a free place
  std::array<std::uint64_t, kChunks> process_chunks;
  std::array<std::uint64_t, kChunks> thread_chunks;
  alignas(64) JournalArea journal;
  std::array<std::uint32_t, kOrders> cold_runs;  // as free_runs, of runs without any memory
  // Hints for how much free memory to keep: when the present span of time began (nanoseconds of the monotonic clock),
  // pages taken in it, and in the one before.
  std::atomic<std::uint64_t> span_began;
  std::atomic<std::uint64_t> taken;
  std::atomic<std::uint64_t> taken_before;
  std::atomic<std::uint64_t> keeper_number;  // part of the address of the keeper of descriptors
  std::atomic<std::uint64_t> letters_gone;   // letters with descriptors that were dropped; only grows
  std::array<Bell, kBells> bells;
};
static_assert(sizeof(ArenaHeader) <= kHeaderBytes);

}  // namespace polyproc::inline v0
