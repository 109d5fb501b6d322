// SPDX-License-Identifier: MIT
// Returning what dead processes held. A survivor claims the dead slot through its `reaper` word, so that only one works
// on it at a time and a survivor that dies here is itself replaced; every step moves one reference, in one critical
// section, and can be found half done by the next.
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>

#include "arena/arena_core.hpp"
#include "arena/block_heap.hpp"

namespace polyproc::inline v0 {
namespace {

template <class Act>
void for_each_entry(const Region& region, const ProcessSlot& slot, Act act) {
  for (std::uint64_t at = slot.entries; at != 0;) {
    auto& chunk = region.at<EntryChunk>(at + kBlockHeaderBytes);
    for (Entry& entry : chunk.entries) act(entry);
    at = chunk.next;
  }
}

EntryKind kind_of(const Entry& entry) noexcept {
  return static_cast<EntryKind>(entry.block.load(std::memory_order_acquire) & kEntryKindMask);
}

// Frees a slot's reaper word also when the work on the slot failed: somebody will try again.
class Reaping {
 public:
  explicit Reaping(RobustWord& reaper) noexcept : reaper_(reaper) {}
  Reaping(const Reaping&) = delete;
  Reaping& operator=(const Reaping&) = delete;
  ~Reaping() { release(reaper_); }

 private:
  RobustWord& reaper_;
};

}  // namespace

std::size_t ArenaCore::recover() {
  std::size_t dead = 0;
  const std::uint64_t count = std::atomic_ref(header().process_slots).load(std::memory_order_acquire);
  for (std::uint64_t i = 1; i < count; ++i) {
    const ProcessSlot& slot = process_slot(i);
    if (slot.state.load() == SlotState::free) continue;
    const std::uint64_t identity = std::uint64_t{slot.generation.load()} << 32 | (i + 1);
    if (alive(identity)) continue;
    recover(identity);
    ++dead;
  }
  return dead;
}

void ArenaCore::recover(std::uint64_t identity) {
  require_attached();
  ProcessSlot& slot = process_slot((identity & 0x7fffffff) - 1);
  if (acquire(slot.reaper, *this, Deadline::now(), kInternalPatience) == Claim::timed_out)
    return;  // another is at it
  const Reaping until_done_or_failed(slot.reaper);
  const bool still_dead =
      slot.state.load() != SlotState::free && slot.generation.load() == identity >> 32 && !alive(identity);
  if (!still_dead) return;
  { Transaction roll_back_what_it_left(*this); }
  settle_in_flight(slot, identity);
  take_references(slot);
  close_slot(slot);
}

// Whose is what a dead process was passing on? That is to be seen in the word of the queue's end as the process left it,
// so it is decided before anybody else publishes there: by whoever takes the end over from a dead holder. Which of the
// dead it was is not known any more when that one dies in turn, so it is done for all of them.
void ArenaCore::settle_dead() {
  const std::uint64_t count = std::atomic_ref(header().process_slots).load(std::memory_order_acquire);
  for (std::uint64_t i = 1; i < count; ++i) {
    ProcessSlot& slot = process_slot(i);
    if (slot.state.load() == SlotState::free) continue;
    const std::uint64_t identity = std::uint64_t{slot.generation.load()} << 32 | (i + 1);
    if (!alive(identity)) settle_in_flight(slot, identity);
  }
}

// Under the arena's lock, as several may be at it, and only one of them holds the end.
void ArenaCore::settle_in_flight(ProcessSlot& slot, std::uint64_t identity) {
  Transaction section(*this);
  if (slot.state.load() == SlotState::free || slot.generation.load() != identity >> 32) return;
  for_each_entry(*region_, slot, [&](Entry& entry) {
    const EntryKind kind = kind_of(entry);
    if (kind != EntryKind::sending && kind != EntryKind::receiving) return;
    const auto& commit = region_->at<std::atomic<std::uint64_t>>(entry.commit.load());
    const bool passed = commit.load(std::memory_order_acquire) > entry.position.load();
    const bool was_its_own = passed == (kind == EntryKind::receiving);
    const std::uint64_t block = entry.block.load() & ~kEntryKindMask;
    entry.block.store(was_its_own ? block : 0, std::memory_order_release);
  });
}

void ArenaCore::take_references(ProcessSlot& slot) {
  for_each_entry(*region_, slot, [&](Entry& entry) {
    const std::uint64_t word = entry.block.load(std::memory_order_acquire);
    if (word == 0) return;
    Entry* mine = claim_entry();
    {
      Transaction section(*this);
      section.set(mine->block, word);
      section.set(entry.block, 0);
      section.commit();
    }
    POLYPROC_FAIL_POINT("recovery.reference_taken");
    if (kind_of(*mine) == EntryKind::destroying)
      destroy(mine);
    else
      drop_reference(mine);
    return_entry(mine);
  });
}

void ArenaCore::close_slot(ProcessSlot& slot) {
  free_thread_slots(slot);
  while (slot.entries != 0) {
    Transaction section(*this);
    const std::uint64_t chunk = slot.entries;
    section.set(slot.entries, region_->at<EntryChunk>(chunk + kBlockHeaderBytes).next);
    BlockHeap(section).free(chunk);
    section.commit();
  }
  POLYPROC_FAIL_POINT("recovery.slot_emptied");
  slot.state.store(SlotState::free, std::memory_order_release);
}

}  // namespace polyproc::inline v0
