// SPDX-License-Identifier: MIT
// Attaching, and who is alive. A process that is attached holds the lock of its slot's byte in the arena's file; slot
// 0 stands for whoever is attaching at the moment, one at a time, so that even it can own the arena's lock.
#include <unistd.h>

#include <bit>
#include <string>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>

#include "arena/arena_core.hpp"
#include "arena/block_heap.hpp"
#include "arena/fork.hpp"
#include "os/file_lock.hpp"
#include "os/membarrier.hpp"

namespace polyproc::inline v0 {
namespace {

constexpr std::uint64_t kAttacherByte = 0;

std::uint64_t slot_index(std::uint64_t identity) noexcept { return (identity & 0x7fffffff) - 1; }
std::uint64_t make_identity(std::uint32_t generation, std::uint64_t index) noexcept {
  return std::uint64_t{generation} << 32 | (index + 1);
}

// Who waits here with the byte of slot 0 names slot 0 in the arena's lock; nobody else does.
class Attaching {
 public:
  explicit Attaching(int fd) : fd_(fd) { os::lock_byte(fd, kAttacherByte); }
  Attaching(const Attaching&) = delete;
  Attaching& operator=(const Attaching&) = delete;
  ~Attaching() { os::unlock_byte(fd_, kAttacherByte); }

 private:
  int fd_;
};

void join_membarriers(const Region& region) {
  if (os::register_membarrier() || region.header().fenced != 0) return;
  throw Error(fmt::format(
      "attaching to {}: the system call membarrier is refused here, and the arena was created where it "
      "is allowed; allow it, or create the arena in a process with the same restriction",
      region.name()));
}

}  // namespace

ArenaCore::ArenaCore(std::unique_ptr<Region> region) : region_(std::move(region)) {
  static std::atomic<std::uint64_t> next_serial{1};
  serial_ = next_serial.fetch_add(1);
}

std::shared_ptr<ArenaCore> ArenaCore::attach(std::unique_ptr<Region> region) {
  auto core = std::make_shared<ArenaCore>(std::move(region));
  join_membarriers(core->region());
  LockFd claim = LockFd::open([&] { return core->region().reopen(); });
  {
    Attaching attaching(claim.get());
    core->identity_ = make_identity(core->header().attachers.fetch_add(1) + 1, 0);
    core->identity_ = core->take_slot(claim.get(), SlotState::live);
  }
  core->life_ = Life(claim.get());
  claim.close();
  core->describe_self(core->self());
  auto used = register_core(core);
  if (used == core) core->recover();  // what others left who died with nobody there
  return used;
}

std::shared_ptr<ArenaCore> ArenaCore::attach_as(std::unique_ptr<Region> region, LockFd claim,
                                                std::uint64_t identity) {
  auto core = std::make_shared<ArenaCore>(std::move(region));
  join_membarriers(core->region());
  ProcessSlot& slot = core->process_slot(slot_index(identity));
  if (slot.generation.load() != identity >> 32 || slot.state.load() != SlotState::embryo) {
    throw UsageError(fmt::format("attaching to {}: the place made for this child is taken or gone",
                                 core->region().name()));
  }
  core->life_ = Life(claim.get());
  claim.close();
  core->identity_ = identity;
  core->describe_self(slot);
  core->find_own_entries(slot);
  return register_core(core);
}

void ArenaCore::find_own_entries(const ProcessSlot& slot) {
  reserve_entries(slot.entries, free_entries_);
  for (std::uint64_t at = slot.entries; at != 0;) {
    auto& chunk = region_->at<EntryChunk>(at + kBlockHeaderBytes);
    for (Entry& entry : chunk.entries) {
      const std::uint64_t block = entry.block.load();
      if (block == 0)
        free_entries_.push_back(&entry);
      else
        unadopted_.emplace(block, &entry);
    }
    at = chunk.next;
  }
}

ArenaCore::~ArenaCore() {
  (void)own_link();
  if (identity() == kUnattached) return;
  try {
    drop_unadopted();
    close_slot(self());
  } catch (const Error&) {
    // The lock goes with `life_`: others find this slot dead and return what it held.
  }
}

void ArenaCore::throw_unattached() const {
  throw UsageError(fmt::format(
      "{}: this process was forked when the arena had no room for another process, or the system no "
      "descriptor or mapping; free some and fork again",
      region_->name()));
}

ProcessSlot& ArenaCore::process_slot(std::uint64_t index) const {
  const auto chunk = static_cast<unsigned>(std::bit_width(index / kFirstChunk + 1) - 1);
  if (chunk >= kChunks || index >= std::atomic_ref(header().process_slots).load(std::memory_order_acquire)) {
    throw CorruptArena(fmt::format("{}: there is no process slot {}", region_->name(), index));
  }
  const std::uint64_t first = kFirstChunk * ((std::uint64_t{1} << chunk) - 1);
  return region_->at<ProcessSlot>(header().process_chunks[chunk] + kBlockHeaderBytes +
                                  (index - first) * sizeof(ProcessSlot));
}

ProcessSlot& ArenaCore::self() const { return process_slot(slot_index(identity())); }

bool ArenaCore::alive(std::uint64_t identity) const noexcept {
  if (identity == this->identity()) return true;
  const std::uint64_t index = slot_index(identity);
  const auto generation = static_cast<std::uint32_t>(identity >> 32);
  if (index == kAttacherByte) {
    return header().attachers.load() == generation && os::byte_locked_elsewhere(region_->fd(), kAttacherByte);
  }
  if (index >= std::atomic_ref(header().process_slots).load(std::memory_order_acquire)) return false;
  try {
    const ProcessSlot& slot = process_slot(index);
    if (slot.generation.load() != generation || slot.state.load() == SlotState::free) return false;
    return os::byte_locked_elsewhere(region_->fd(), index);
  } catch (const Error&) {
    return false;
  }
}

bool ArenaCore::has_free_slot() const {
  const std::uint64_t count = std::atomic_ref(header().process_slots).load(std::memory_order_acquire);
  for (std::uint64_t i = 1; i < count; ++i) {
    if (process_slot(i).state.load() == SlotState::free) return true;
  }
  return false;
}

std::uint64_t ArenaCore::take_slot(int fd, SlotState state) {
  Transaction section(*this);
  const std::uint64_t index = find_free_slot(section, fd);
  ProcessSlot& slot = process_slot(index);
  const std::uint32_t generation = slot.generation.load() + 1;
  section.set(slot.generation, generation);
  section.set(slot.entries, 0);
  section.set(slot.first_thread, 0);
  section.set(slot.pid, static_cast<std::uint32_t>(::getpid()));
  section.set(slot.state, state);
  section.commit();
  return make_identity(generation, index);
}

// A slot whose byte `fd` now holds: taken before the slot is, so that there is no moment at which it looks dead.
std::uint64_t ArenaCore::find_free_slot(Transaction& section, int fd) {
  ArenaHeader& arena = header();
  for (std::uint64_t i = 1; i < arena.process_slots; ++i) {
    if (process_slot(i).state.load() == SlotState::free && os::try_lock_byte(fd, i)) return i;
  }
  const std::uint64_t first = arena.process_slots;
  const auto chunk = static_cast<unsigned>(std::bit_width(first / kFirstChunk + 1) - 1);
  if (chunk >= kChunks)
    throw ArenaFull(fmt::format("attaching to {}: all process slots are taken", region_->name()));
  const std::uint64_t count = std::uint64_t{kFirstChunk} << chunk;
  const std::uint64_t table = BlockHeap(section).allocate_table(count * sizeof(ProcessSlot));
  section.set(arena.process_chunks[chunk], table);
  section.set(arena.process_slots, static_cast<std::uint32_t>(first + count));
  section.commit();
  const std::uint64_t index = first == 0 ? 1 : first;
  if (!os::try_lock_byte(fd, index))
    throw Error(fmt::format("attaching to {}: a foreign lock is on its file", region_->name()));
  return index;
}

// None when the host has closed it: its number may be that of a descriptor of the host's.
LockFd ArenaCore::own_link() noexcept {
  if (link_ && os::file_id(link_.get()) != link_file_) link_.forget();
  return std::move(link_);
}

LockFd ArenaCore::take_link() noexcept {
  std::lock_guard guard(local_);
  return own_link();
}

void ArenaCore::keep_link(LockFd link) noexcept {
  std::lock_guard guard(local_);
  (void)own_link();
  link_ = std::move(link);
  link_file_ = os::file_id(link_.get());
}

void ArenaCore::describe_self(ProcessSlot& slot) const noexcept {
  slot.pid.store(static_cast<std::uint32_t>(::getpid()));
  slot.state.store(SlotState::live);
}

Embryo ArenaCore::prepare_escrow(std::span<const std::uint64_t> blocks) {
  require_attached();
  if (!has_free_slot()) recover();  // rather than another table of slots
  return prepare_child(blocks, SlotState::escrow);
}

Embryo ArenaCore::prepare_child(std::span<const std::uint64_t> blocks, SlotState state) {
  Embryo child;
  child.claim = LockFd::open([&] { return region_->reopen(); });
  child.identity = take_slot(child.claim.get(), state);
  ProcessSlot& slot = process_slot(slot_index(child.identity));
  for (const std::uint64_t block : blocks) {
    if (child.free.empty()) add_entries(slot, child.free);
    Entry* entry = child.free.back();
    child.free.pop_back();
    Transaction section(*this);
    BlockHeader& named = BlockHeap::header(*region_, block);
    section.set(named.state, named.state.load(std::memory_order_relaxed) + 1);
    section.set(entry->block, block);
    section.commit();
    child.entries.push_back(entry);
  }
  POLYPROC_FAIL_POINT("process_slots.child_prepared");
  return child;
}

}  // namespace polyproc::inline v0
