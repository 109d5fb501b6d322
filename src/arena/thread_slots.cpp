// SPDX-License-Identifier: MIT
// Slots of threads that use biased locks. A slot's id carries a generation, so that a lock biased to a thread that has
// ended never matches its successor.
#include <bit>
#include <vector>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>

#include "arena/arena_core.hpp"
#include "arena/block_heap.hpp"
#include "arena/fork.hpp"

namespace polyproc::inline v0 {
namespace {

// Set when the thread's OwnSlots has been destroyed. Destructors that run later may still use queues: their slot is then
// returned with the process.
thread_local constinit bool gone = false;

// Slots that the calling thread has, by the serial of their core; given back when the thread ends.
class OwnSlots {
 public:
  struct Slot {
    std::uint64_t serial;
    ThreadSlot* slot;
    std::uint64_t id;
  };
  ~OwnSlots() {
    gone = true;
    ArenaCore::forget_cached_slot();
    for (const Slot& own : slots_) {
      if (const auto core = find_core(own.serial)) core->free_thread_slot(own.id);
    }
  }
  void forget() noexcept { slots_.clear(); }
  void add(Slot slot) { slots_.push_back(slot); }
  [[nodiscard]] ThreadSlot* find(std::uint64_t serial) const noexcept {
    for (const Slot& own : slots_) {
      if (own.serial == serial) return own.slot;
    }
    return nullptr;
  }

 private:
  std::vector<Slot> slots_;
};

thread_local OwnSlots own_slots;
// In a forked child, whose thread may never need them, nothing is made in order to be forgotten.
thread_local constinit bool has_own_slots = false;

}  // namespace

thread_local constinit ArenaCore::CachedSlot ArenaCore::cached_slot{0, nullptr};

void ArenaCore::forget_thread_slots() noexcept {
  forget_cached_slot();
  if (has_own_slots && !gone) own_slots.forget();
}

ThreadSlot& ArenaCore::thread_slot_at(std::uint64_t index) const {
  const auto chunk = static_cast<unsigned>(std::bit_width(index / kFirstChunk + 1) - 1);
  if (chunk >= kChunks || header().thread_chunks[chunk] == 0) {
    throw CorruptArena(fmt::format("{}: there is no thread slot {}", region_->name(), index));
  }
  const std::uint64_t first = kFirstChunk * ((std::uint64_t{1} << chunk) - 1);
  return region_->at<ThreadSlot>(header().thread_chunks[chunk] + kBlockHeaderBytes +
                                 (index - first) * sizeof(ThreadSlot));
}

ThreadSlot& ArenaCore::find_thread_slot() {
  ThreadSlot* slot = gone ? nullptr : own_slots.find(serial_);
  if (slot == nullptr) {
    const std::uint64_t id = make_thread_slot();
    slot = &thread_slot_at((id & 0xffffffff) - 1);
    if (!gone) {
      own_slots.add({serial_, slot, id});
      has_own_slots = true;
    }
  }
  cached_slot = {serial_, slot};
  return *slot;
}

std::uint64_t ArenaCore::make_thread_slot() {
  Transaction section(*this);
  ArenaHeader& arena = header();
  if (arena.free_threads == 0) {
    const std::uint64_t first = arena.thread_slots;
    const auto chunk = static_cast<unsigned>(std::bit_width(first / kFirstChunk + 1) - 1);
    if (chunk >= kChunks) throw ArenaFull(fmt::format("{}: all thread slots are taken", region_->name()));
    const std::uint64_t count = std::uint64_t{kFirstChunk} << chunk;
    const std::uint64_t table = BlockHeap(section).allocate_table(count * sizeof(ThreadSlot));
    auto* slots =
        reinterpret_cast<ThreadSlot*>(region_->bytes(table + kBlockHeaderBytes, count * sizeof(ThreadSlot)));
    for (std::uint64_t i = 0; i + 1 < count; ++i)
      slots[i].next.store(static_cast<std::uint32_t>(first + i + 2));
    section.set(arena.thread_chunks[chunk], table);
    section.set(arena.thread_slots, static_cast<std::uint32_t>(first + count));
    section.set(arena.free_threads, static_cast<std::uint32_t>(first + 1));
    section.commit();
  }
  const std::uint32_t number = arena.free_threads;
  ThreadSlot& slot = thread_slot_at(number - 1);
  ProcessSlot& process = self();
  const std::uint32_t generation = slot.generation + 1;
  const std::uint64_t id = std::uint64_t{generation} << 32 | number;
  section.set(arena.free_threads, slot.next.load());
  section.set(slot.generation, generation);
  section.set(slot.inside, 0);
  section.set(slot.process, identity());
  section.set(slot.next, process.first_thread.load());
  section.set(process.first_thread, number);
  section.set(slot.id, id);
  section.commit();
  return id;
}

namespace {

void put_back(Transaction& section, ThreadSlot& slot, std::uint32_t number) {
  section.set(slot.id,
              kNoThread);  // before `inside`: who waits for this thread to leave a lock asks for both
  section.set(slot.inside, 0);
  section.set(slot.next, section.header().free_threads);
  section.set(section.header().free_threads, number);
}

}  // namespace

void ArenaCore::free_thread_slots(ProcessSlot& process) {
  while (const std::uint32_t number = process.first_thread.load()) {
    Transaction section(*this);
    ThreadSlot& slot = thread_slot_at(number - 1);
    section.set(process.first_thread, slot.next.load());
    put_back(section, slot, number);
    section.commit();
  }
}

void ArenaCore::free_thread_slot(std::uint64_t id) noexcept {
  try {
    Transaction section(*this);
    const auto number = static_cast<std::uint32_t>(id);
    ThreadSlot& slot = thread_slot_at(number - 1);
    if (slot.id.load() != id) return;
    std::atomic<std::uint32_t>* link = &self().first_thread;
    while (link->load() != 0 && link->load() != number) link = &thread_slot_at(link->load() - 1).next;
    if (link->load() == 0) return;
    section.set(*link, slot.next.load());
    put_back(section, slot, number);
    section.commit();
  } catch (const Error&) {
    // The slot stays taken until its process has ended.
  }
}

}  // namespace polyproc::inline v0
