// SPDX-License-Identifier: MIT
#include <polyproc/sync/lock.hpp>

#include <ostream>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>

#include "arena/arena_core.hpp"
#include "sync/lock_state.hpp"

namespace polyproc::inline v0 {
namespace {

LockState& state_of(const BlockRef& block) noexcept { return *reinterpret_cast<LockState*>(block.data()); }

std::uint64_t next_thread_number() noexcept {
  static std::atomic<std::uint64_t> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

Acquired acquire_word(RobustWord& word, ArenaCore& core, Deadline deadline) {
  if (try_acquire(word, core.identity())) [[likely]]
    return Acquired::yes;
  switch (acquire_slow(word, core, deadline, kUserPatience)) {
    case Claim::taken:
      return Acquired::yes;
    case Claim::taken_from_dead:
      return Acquired::owner_died;
    case Claim::timed_out:
      break;
  }
  return Acquired::timed_out;
}

// What `thread` holds for the calling one. Other processes have threads of the same number: a dead holder's word must
// not look like ours while another of our threads takes the lock over.
std::uint64_t thread_word(const ArenaCore& core) noexcept {
  constexpr std::uint64_t kSpread = 0x9e3779b97f4a7c15;  // odd: different identities stay different
  return core.identity() * kSpread + this_thread_number();
}

bool held_by_this_thread(const LockState& state, const ArenaCore& core) noexcept {
  return owner_of(state.word.value.load(std::memory_order_relaxed)) == core.identity() &&
         state.thread.load(std::memory_order_relaxed) == thread_word(core);
}

Acquired acquire_recursive(LockState& state, ArenaCore& core, Deadline deadline) {
  if (held_by_this_thread(state, core)) {
    ++state.depth;
    return Acquired::yes;
  }
  const Acquired result = acquire_word(state.word, core, deadline);
  if (result != Acquired::timed_out) {
    state.depth = 1;
    state.thread.store(thread_word(core), std::memory_order_relaxed);
  }
  return result;
}

void release_recursive(LockState& state, ArenaCore& core) {
  if (!held_by_this_thread(state, core)) {
    throw UsageError(
        "releasing an RLock: this thread does not hold it; only the thread that acquired it may release it");
  }
  if (--state.depth != 0) return;
  state.thread.store(0, std::memory_order_relaxed);
  POLYPROC_FAIL_POINT("lock.before_release");
  release(state.word);
}

void release_simple(LockState& state) {
  POLYPROC_FAIL_POINT("lock.before_release");
  const std::uint64_t old = state.word.value.exchange(0, std::memory_order_release);
  if (old == 0) throw UsageError("releasing a Lock: nobody holds it; acquire it first");
  if ((old & kWaitersBit) != 0) wake_waiter(state.word);
}

BlockRef checked(BlockRef block, BlockKind kind) {
  check_type(block, kind, {});
  return block;
}

}  // namespace

std::uint64_t this_thread_number() noexcept {
  static thread_local const std::uint64_t number = next_thread_number();
  return number;
}

BlockRef LockHandle::make(const Arena& arena, BlockKind kind) {
  return BlockRef::create(arena, kind, {}, kLockBytes);
}

Acquired LockHandle::acquire_checked(Deadline deadline) {
  block_.require("acquiring a lock");
  ArenaCore& core = block_.core();
  core.require_attached();
  LockState& state = state_of(block_);
  const Acquired result =
      recursive_ ? acquire_recursive(state, core, deadline) : acquire_word(state.word, core, deadline);
  POLYPROC_FAIL_POINT("lock.acquired");
  return result;
}

bool LockHandle::acquire_until(Deadline deadline) {
  const Acquired result = acquire_checked(deadline);
  if (result == Acquired::owner_died) {
    release();
    throw OwnerDied(
        "acquiring a lock: the process that held it died inside; the data it guards may be half changed. "
        "acquire_checked() takes the lock in this case, to repair it");
  }
  return result == Acquired::yes;
}

void LockHandle::release() {
  block_.require("releasing a lock");
  if (recursive_)
    release_recursive(state_of(block_), block_.core());
  else
    release_simple(state_of(block_));
}

bool LockHandle::locked() const {
  block_.require("looking at a lock");
  const std::uint64_t word = state_of(block_).word.value.load(std::memory_order_relaxed);
  return word != 0;
}

Handle LockHandle::handle() const {
  block_.require("taking the handle of a lock");
  return block_.handle();
}

std::ostream& operator<<(std::ostream& out, const LockHandle& lock) {
  if (!lock.block_) return out << "<lock, closed>";
  const char* kind = lock.recursive_ ? "RLock" : "Lock";
  const std::uint64_t word = state_of(lock.block_).word.value.load(std::memory_order_relaxed);
  if (word == 0) return out << fmt::format("<{}, free>", kind);
  const ProcessSlot& owner = lock.block_.core().process_slot((word & 0x7fffffff) - 1);
  return out << fmt::format("<{}, held by process {}>", kind, owner.pid.load());
}

Lock::Lock(const Arena& arena, const std::string& name)
    : Lock(checked(arena.find_or_publish(name, [&] { return make(arena, BlockKind::lock); }),
                   BlockKind::lock)) {}
Lock Lock::from_block(BlockRef block) { return Lock(checked(std::move(block), BlockKind::lock)); }

RLock::RLock(const Arena& arena, const std::string& name)
    : RLock(checked(arena.find_or_publish(name, [&] { return make(arena, BlockKind::rlock); }),
                    BlockKind::rlock)) {}
RLock RLock::from_block(BlockRef block) {
  const BlockKind kind = block.kind();
  if (kind == BlockKind::value || kind == BlockKind::array || kind == BlockKind::condition)
    return RLock(std::move(block));
  return RLock(checked(std::move(block), BlockKind::rlock));
}

}  // namespace polyproc::inline v0
