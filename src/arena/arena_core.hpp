// SPDX-License-Identifier: MIT
// An arena as one process sees it: the mapping, who this process is in it, and the references it holds. All handles of
// a process to the same block share one Holding, and one reference in shared memory: copying a handle is private.
//
// Locks of the process are taken in the order: registry of arenas (fork.cpp), ArenaCore::local_, the arena's own.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include <polyproc/arena/block_ref.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fd.hpp>

#include "arena/life.hpp"
#include "arena/lock_fd.hpp"
#include "arena/region.hpp"
#include "arena/robust_word.hpp"

namespace polyproc::inline v0 {

class ArenaCore;
class Transaction;

// This process's share in one block.
struct Holding {
  std::shared_ptr<ArenaCore> core;
  std::uint64_t offset;  // of the BlockHeader
  std::uint64_t generation;
  std::atomic<std::uint32_t> handles;
  Entry* entry;
};

// A process slot made for a child that does not run yet. It is alive as long as `claim` (which the child takes over) is
// open anywhere.
struct Embryo {
  LockFd claim;
  std::uint64_t identity = 0;
  std::vector<Entry*> entries;  // in the order in which they were asked for
  std::vector<Entry*> free;     // the rest of its entries
};

// Stands for a forked child that could not be given a slot: it may not touch the arena.
inline constexpr std::uint64_t kUnattached = 0x7fffffff;

class ArenaCore : public std::enable_shared_from_this<ArenaCore> {
 public:
  // Attaches this process as a newcomer.
  static std::shared_ptr<ArenaCore> attach(std::unique_ptr<Region> region);
  // Attaches this process as the child that an Embryo with this claim was made for; what the embryo holds waits for
  // adopt().
  static std::shared_ptr<ArenaCore> attach_as(std::unique_ptr<Region> region, LockFd claim,
                                              std::uint64_t identity);
  explicit ArenaCore(std::unique_ptr<Region> region);
  ArenaCore(const ArenaCore&) = delete;
  ArenaCore& operator=(const ArenaCore&) = delete;
  ~ArenaCore();

  [[nodiscard]] const Region& region() const noexcept { return *region_; }
  [[nodiscard]] ArenaHeader& header() const noexcept { return region_->header(); }
  // Unlike an address never used twice in a process; caches that outlive the core are keyed by it.
  [[nodiscard]] std::uint64_t serial() const noexcept { return serial_; }

  // ---- processes (process_slots.cpp)
  // generation << 32 | slot + 1: how lock words name this process.
  [[nodiscard]] std::uint64_t identity() const noexcept { return identity_.load(std::memory_order_relaxed); }
  // Throws UsageError in a forked child that could not be attached.
  void require_attached() const {
    if (identity() == kUnattached) throw_unattached();
  }
  // Is that process attached still? The kernel answers, see os/file_lock.hpp.
  [[nodiscard]] bool alive(std::uint64_t identity) const noexcept;
  // A child's slot with references of its own to `blocks`.
  [[nodiscard]] Embryo prepare_child(std::span<const std::uint64_t> blocks,
                                     SlotState state = SlotState::embryo);
  // The same for references that travel: no process will take the slot. Must not be called while forking.
  [[nodiscard]] Embryo prepare_escrow(std::span<const std::uint64_t> blocks);
  [[nodiscard]] ProcessSlot& process_slot(std::uint64_t index) const;

  // ---- references (references.cpp)
  // A new block with one reference, held by this process. Its payload is zero where `zeroed`, else undefined.
  [[nodiscard]] Holding* create(BlockKind kind, const ElementType& type, std::uint64_t bytes, bool zeroed);
  // Another reference to a block that somebody else holds; throws UsageError when it is gone.
  [[nodiscard]] Holding* adopt(const Handle& handle);
  // The same for a block whose reference is in `entry` already.
  [[nodiscard]] Holding* adopt_entry(Entry* entry);
  void drop(Holding* holding) noexcept;
  // References that attach_as found and nobody adopted are dropped.
  void drop_unadopted() noexcept;
  [[nodiscard]] std::size_t holdings() const;

  // References in flight: passed by a record that is published when a counter grows (see EntryKind). Entries are
  // claimed before a critical section, so that nothing is allocated inside.
  [[nodiscard]] Entry* claim_entry();
  void return_entry(Entry* entry) noexcept;
  // A block without Holding, its reference in `entry`.
  std::uint64_t create_in(Entry* entry, BlockKind kind, const ElementType& type, std::uint64_t bytes,
                          bool zeroed);
  // Makes bytes the object of another kind whose payload they hold by now. Until then a death releases nothing in them.
  void become(std::uint64_t block, BlockKind kind);
  // References that lie in a block: one more, or one less, together with the block's own count of them. What is taken
  // out goes into `entry`.
  void add_reference(std::uint64_t& count, std::uint64_t block);
  void take_reference(std::uint64_t& count, std::uint64_t block, Entry* entry);
  void will_send(Entry* entry, const std::atomic<std::uint64_t>& commit, std::uint64_t position) noexcept;
  void not_sent(Entry* entry) noexcept;
  void sent(Entry* entry) noexcept;
  void will_receive(Entry* entry, std::uint64_t block, const std::atomic<std::uint64_t>& commit,
                    std::uint64_t position) noexcept;
  void received(Entry* entry) noexcept;
  // Gives up the held reference of an entry, and the entry; the last one releases the block and what it holds.
  void release_entry(Entry* entry) noexcept;
  // The same, keeping the entry.
  void drop_reference(Entry* entry) noexcept;
  [[nodiscard]] std::byte* payload(std::uint64_t block, std::uint64_t bytes) const {
    return region_->bytes(block + kBlockHeaderBytes, bytes);
  }

  // ---- recovery (recovery.cpp)
  // Returns what dead processes held; the number of processes found dead.
  std::size_t recover();
  // Returns what this one process held, if it is dead.
  void recover(std::uint64_t identity);

  // Memory that dead processes held, or that is kept for reuse, becomes available.
  void make_room();
  // Gives free memory back to the system that is more than is kept for reuse.
  void give_back_surplus() noexcept;

  // Decides for all dead processes what of their references in flight was passed on. By whoever took the lock of a
  // queue's end over from a dead holder, before it changes that end's words.
  void settle_dead();

  // ---- threads (thread_slots.cpp)
  // Slot of the calling thread, for biased locks; made at the first call.
  [[nodiscard]] ThreadSlot& thread_slot() {
    require_attached();
    return cached_slot.serial == serial_ ? *cached_slot.slot : find_thread_slot();
  }
  [[nodiscard]] ThreadSlot& thread_slot_at(std::uint64_t index) const;
  void free_thread_slots(ProcessSlot& process);
  void free_thread_slot(std::uint64_t id) noexcept;
  static void forget_thread_slots() noexcept;
  static void forget_cached_slot() noexcept { cached_slot = {0, nullptr}; }

  // ---- the link to the keeper of descriptors (channel/keeper_client.hpp), between two uses: closed when this process
  // detaches, and in forked children.
  [[nodiscard]] LockFd take_link() noexcept;
  void keep_link(LockFd link) noexcept;

  // ---- fork (fork.cpp)
  void before_fork() noexcept;
  void after_fork_in_parent() noexcept;
  void after_fork_in_child() noexcept;

 private:
  void take_place() noexcept;
  [[nodiscard]] LockFd own_link() noexcept;
  struct CachedSlot {
    std::uint64_t serial;
    ThreadSlot* slot;
  };
  // Initial-exec: reached without a call, also from the shared library.
  [[gnu::tls_model("initial-exec")]] static thread_local constinit CachedSlot cached_slot;

  [[noreturn]] void throw_unattached() const;
  [[nodiscard]] ProcessSlot& self() const;
  [[nodiscard]] bool has_free_slot() const;
  [[nodiscard]] std::uint64_t take_slot(int fd, SlotState state);
  [[nodiscard]] std::uint64_t find_free_slot(Transaction& section, int fd);
  void describe_self(ProcessSlot& slot) const noexcept;
  void find_own_entries(const ProcessSlot& slot);
  void add_entries(ProcessSlot& slot, std::vector<Entry*>& free);
  void reserve_entries(std::uint64_t first_chunk, std::vector<Entry*>& free) const;
  [[nodiscard]] Entry* claim_entry_locked();
  [[nodiscard]] Holding* hold_locked(std::uint64_t offset, Entry* entry);
  void destroy(Entry* entry) noexcept;
  void settle_in_flight(ProcessSlot& slot, std::uint64_t identity);
  void take_references(ProcessSlot& slot);
  void close_slot(ProcessSlot& slot);
  [[nodiscard]] ThreadSlot& find_thread_slot();
  [[nodiscard]] std::uint64_t make_thread_slot();

  std::unique_ptr<Region> region_;
  Life life_;
  std::uint64_t serial_;
  std::atomic<std::uint64_t> identity_{kUnattached};
  mutable std::mutex local_;                                              // guards what follows
  std::unordered_map<std::uint64_t, std::unique_ptr<Holding>> holdings_;  // by offset
  std::unordered_map<std::uint64_t, Entry*> unadopted_;
  std::vector<Entry*> free_entries_;
  Embryo embryo_;  // during fork
  LockFd link_;
  std::optional<os::FileId> link_file_;  // its, by which it is known to be open still
};

// Memory that only waits for reuse, or for a dead process's references to be returned, is no reason to refuse.
template <class Act>
auto with_room(ArenaCore& core, Act act) {
  try {
    return act();
  } catch (const ArenaFull&) {
    core.make_room();
  }
  return act();
}

}  // namespace polyproc::inline v0
