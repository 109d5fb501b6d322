// SPDX-License-Identifier: MIT
// References: who holds a block, in a form that a survivor can return. A process has one reference per block however
// many handles it has; records of queues have one each.
#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>

#include "arena/arena_core.hpp"
#include "arena/block_heap.hpp"
#include "os/memory.hpp"

namespace polyproc::inline v0 {
namespace {

constexpr std::size_t kBlockKinds = 32;
std::array<std::atomic<BlockContentsRelease>, kBlockKinds> g_release{};

constexpr std::uint64_t kCheckedBytes = std::uint64_t{16} << 20;

std::uint64_t with_kind(std::uint64_t block, EntryKind kind) noexcept {
  return block | static_cast<std::uint64_t>(kind);
}
std::uint64_t block_of(const Entry& entry) noexcept {
  return entry.block.load(std::memory_order_relaxed) & ~kEntryKindMask;
}

// A large block is refused before the kernel would rather end processes than give memory.
void check_available(const Region& region, std::uint64_t bytes) {
  if (bytes < kCheckedBytes) return;
  const std::uint64_t available = os::available_memory();
  if (bytes > available) {
    throw ArenaFull(fmt::format("allocation of {} bytes in {}: the system has {} bytes available", bytes,
                                region.name(), available));
  }
}

void write_type(BlockHeader& block, const ElementType& type) {
  if (type.format.size() >= block.format.size()) {
    throw InvalidArgument(
        fmt::format("creating a shared object: the element format '{}' is longer than {} characters",
                    type.format, block.format.size() - 1));
  }
  std::copy(type.format.begin(), type.format.end(), block.format.begin());
  block.format[type.format.size()] = '\0';
  block.element_size = type.size;
  block.element_align = type.align;
}

void give_back(ArenaCore& core, bool all) {
  for (bool more = true; more;) {
    Transaction section(core);
    more = PageHeap(section).give_back_some(all);
  }
}

}  // namespace

void register_contents_release(BlockKind kind, BlockContentsRelease release) noexcept {
  g_release.at(static_cast<std::size_t>(kind)).store(release);
}

void ArenaCore::give_back_surplus() noexcept {
  try {
    if (PageHeap::has_surplus(*region_)) give_back(*this, false);
  } catch (const Error&) {
    // The arena's memory is damaged: the next call that needs it says so.
  }
}

void ArenaCore::make_room() {
  recover();
  give_back(*this, true);
}

void ArenaCore::add_entries(ProcessSlot& slot, std::vector<Entry*>& free) {
  Transaction section(*this);
  const std::uint64_t table = BlockHeap(section).allocate_table(sizeof(EntryChunk));
  auto& chunk = region_->at<EntryChunk>(table + kBlockHeaderBytes);
  chunk.next = slot.entries;
  reserve_entries(table, free);
  section.set(slot.entries, table);
  section.commit();
  for (Entry& entry : chunk.entries) free.push_back(&entry);
}

// Room for every entry to come back without an allocation: return_entry must not fail.
void ArenaCore::reserve_entries(std::uint64_t first_chunk, std::vector<Entry*>& free) const {
  std::size_t all = 0;
  for (std::uint64_t at = first_chunk; at != 0; at = region_->at<EntryChunk>(at + kBlockHeaderBytes).next)
    all += kEntriesPerChunk;
  free.reserve(all);
}

Entry* ArenaCore::claim_entry_locked() {
  require_attached();
  if (free_entries_.empty()) add_entries(self(), free_entries_);
  Entry* entry = free_entries_.back();
  free_entries_.pop_back();
  return entry;
}

Entry* ArenaCore::claim_entry() {
  std::lock_guard guard(local_);
  return claim_entry_locked();
}

void ArenaCore::return_entry(Entry* entry) noexcept {
  if (entry->block.load(std::memory_order_relaxed) != 0) return;  // what it holds could not be released
  std::lock_guard guard(local_);
  free_entries_.push_back(entry);  // there is room: it was taken from here
}

std::uint64_t ArenaCore::create_in(Entry* entry, BlockKind kind, const ElementType& type, std::uint64_t bytes,
                                   bool zeroed) {
  check_available(*region_, bytes);
  const auto place = with_room(*this, [&] {
    Transaction section(*this);
    const auto made = BlockHeap(section).allocate(bytes, kind);
    write_type(region_->at<BlockHeader>(made.offset), type);
    section.set(entry->block, with_kind(made.offset, EntryKind::held));
    section.commit();
    return made;
  });
  POLYPROC_FAIL_POINT("references.created");
  if (place.needs_commit) {
    try {
      PageHeap::commit_run(*region_, place.offset / kPageSize);
    } catch (...) {
      drop_reference(entry);
      throw;
    }
  }
  if (zeroed) std::memset(payload(place.offset, bytes), 0, std::min(bytes, place.dirty_bytes));
  return place.offset;
}

Holding* ArenaCore::create(BlockKind kind, const ElementType& type, std::uint64_t bytes, bool zeroed) {
  Entry* entry = claim_entry();
  try {
    create_in(entry, kind, type, bytes, zeroed);
  } catch (...) {
    return_entry(entry);
    throw;
  }
  return adopt_entry(entry);
}

Holding* ArenaCore::hold_locked(std::uint64_t offset, Entry* entry) {
  auto holding = std::make_unique<Holding>(shared_from_this(), offset,
                                           region_->at<BlockHeader>(offset).generation.load(), 1, entry);
  return holdings_.emplace(offset, std::move(holding)).first->second.get();
}

Holding* ArenaCore::adopt_entry(Entry* entry) {
  const std::uint64_t block = block_of(*entry);
  Holding* holding = nullptr;
  {
    std::lock_guard guard(local_);
    const auto known = holdings_.find(block);
    if (known == holdings_.end()) return hold_locked(block, entry);
    holding = known->second.get();
    holding->handles.fetch_add(1, std::memory_order_relaxed);
  }
  release_entry(entry);  // this process had a reference already
  return holding;
}

Holding* ArenaCore::adopt(const Handle& handle) {
  std::lock_guard guard(local_);
  if (const auto known = holdings_.find(handle.offset);
      known != holdings_.end() && known->second->generation == handle.generation) {
    known->second->handles.fetch_add(1, std::memory_order_relaxed);
    return known->second.get();
  }
  if (const auto waiting = unadopted_.find(handle.offset);
      waiting != unadopted_.end() &&
      region_->at<BlockHeader>(handle.offset).generation.load() == handle.generation) {
    Entry* entry = waiting->second;
    unadopted_.erase(waiting);
    return hold_locked(handle.offset, entry);
  }
  Entry* entry = claim_entry_locked();
  {
    Transaction section(*this);
    BlockHeader* block = BlockHeap::find(*region_, handle.offset);
    const std::uint64_t state = block == nullptr ? 0 : block->state.load(std::memory_order_relaxed);
    if (state >> 32 == kBlockMagic && static_cast<std::uint32_t>(state) != 0 &&
        block->generation.load() == handle.generation) {
      section.set(block->state, state + 1);
      section.set(entry->block, with_kind(handle.offset, EntryKind::held));
      section.commit();
      return hold_locked(handle.offset, entry);
    }
  }
  free_entries_.push_back(entry);
  throw UsageError(fmt::format(
      "opening a handle in {}: the object it names does not exist any more; keep a reference to it "
      "until it has been received",
      region_->name()));
}

void ArenaCore::drop(Holding* holding) noexcept {
  std::unique_ptr<Holding> last;
  {
    std::lock_guard guard(local_);
    if (holding->handles.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    const auto known = holdings_.find(holding->offset);
    last = std::move(known->second);
    holdings_.erase(known);
  }
  release_entry(last->entry);
}

void ArenaCore::drop_unadopted() noexcept {
  std::unordered_map<std::uint64_t, Entry*> rest;
  {
    std::lock_guard guard(local_);
    rest.swap(unadopted_);
  }
  for (const auto& [block, entry] : rest) release_entry(entry);
}

std::size_t ArenaCore::holdings() const {
  std::lock_guard guard(local_);
  return holdings_.size();
}

void ArenaCore::become(std::uint64_t block, BlockKind kind) {
  Transaction section(*this);
  section.set(BlockHeap::header(*region_, block).kind, kind);
  section.commit();
}

void ArenaCore::add_reference(std::uint64_t& count, std::uint64_t block) {
  Transaction section(*this);
  BlockHeader& header = BlockHeap::header(*region_, block);
  section.set(header.state, header.state.load(std::memory_order_relaxed) + 1);
  section.set(count, count + 1);
  section.commit();
}

void ArenaCore::take_reference(std::uint64_t& count, std::uint64_t block, Entry* entry) {
  Transaction section(*this);
  section.set(entry->block, with_kind(block, EntryKind::held));
  section.set(count, count - 1);
  section.commit();
}

void ArenaCore::will_send(Entry* entry, const std::atomic<std::uint64_t>& commit,
                          std::uint64_t position) noexcept {
  entry->commit.store(region_->offset_of(&commit), std::memory_order_relaxed);
  entry->position.store(position, std::memory_order_relaxed);
  entry->block.store(with_kind(block_of(*entry), EntryKind::sending), std::memory_order_release);
}

void ArenaCore::not_sent(Entry* entry) noexcept {
  entry->block.store(with_kind(block_of(*entry), EntryKind::held), std::memory_order_release);
}

void ArenaCore::sent(Entry* entry) noexcept {
  entry->block.store(0, std::memory_order_release);
  return_entry(entry);
}

void ArenaCore::will_receive(Entry* entry, std::uint64_t block, const std::atomic<std::uint64_t>& commit,
                             std::uint64_t position) noexcept {
  entry->commit.store(region_->offset_of(&commit), std::memory_order_relaxed);
  entry->position.store(position, std::memory_order_relaxed);
  entry->block.store(with_kind(block, EntryKind::receiving), std::memory_order_release);
}

void ArenaCore::received(Entry* entry) noexcept { not_sent(entry); }

void ArenaCore::release_entry(Entry* entry) noexcept {
  drop_reference(entry);
  return_entry(entry);
}

void ArenaCore::drop_reference(Entry* entry) noexcept {
  try {
    const std::uint64_t offset = block_of(*entry);
    bool last = false;
    {
      Transaction section(*this);
      BlockHeader& block = BlockHeap::header(*region_, offset);
      const std::uint64_t state = block.state.load(std::memory_order_relaxed);
      last = static_cast<std::uint32_t>(state) == 1;
      section.set(block.state, state - 1);
      section.set(entry->block, last ? with_kind(offset, EntryKind::destroying) : 0);
      section.commit();
    }
    if (last) destroy(entry);
  } catch (const Error&) {
    // The arena's memory is damaged, or this child is not attached: the entry stays, nothing is freed.
  }
}

// Starts again from the beginning when a survivor takes it over from a dead process.
void ArenaCore::destroy(Entry* entry) noexcept {
  try {
    const std::uint64_t offset = block_of(*entry);
    const auto kind = static_cast<std::size_t>(BlockHeap::header(*region_, offset).kind);
    if (const auto release = kind < kBlockKinds ? g_release[kind].load() : nullptr) release(*this, offset);
    POLYPROC_FAIL_POINT("references.contents_released");
    {
      Transaction section(*this);
      BlockHeap(section).free(offset);
      section.set(entry->block, 0);
      section.commit();
    }
    give_back_surplus();
  } catch (const Error&) {
    // As in drop_reference.
  }
}

}  // namespace polyproc::inline v0
