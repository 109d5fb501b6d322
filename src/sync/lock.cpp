// SPDX-License-Identifier: MIT
#include <polyproc/sync/lock.hpp>

#include <algorithm>
#include <limits>
#include <ostream>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>

#include "arena/arena_core.hpp"
#include "os/futex.hpp"
#include "sync/lock_state.hpp"

namespace polyproc::inline v0 {
namespace {

LockState& state_of(const BlockRef& block) noexcept { return *reinterpret_cast<LockState*>(block.data()); }

std::uint64_t next_thread_number() noexcept {
  static std::atomic<std::uint64_t> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

void wake_all(LockState& state) noexcept {
  POLYPROC_FAIL_POINT("lock.before_wake_all");
  os::futex_wake(state.word.value, std::numeric_limits<int>::max());
}

// A place in the order of those who wait. While there is one, a lock that comes free is reserved for the first; so from now on this
// thread is passed by those before it, and by who takes the lock at this moment.
class Turn {
 public:
  Turn(LockState& state, ArenaCore& core) : state_(state), core_(core) {
    register_waiters_release();
    Transaction section(core_);
    record_ = add_waiter(section, state_.waiters);
    section.commit();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() {
    try {
      Transaction section(core_);
      remove_waiter(section, state_.waiters, record_);
      section.commit();
    } catch (const Error&) {
      return;  // the arena is damaged: the next call says so
    }
    POLYPROC_FAIL_POINT("lock.turn_left");
    pass_on(state_);
  }

  [[nodiscard]] bool has_come() const noexcept { return first_waiter(state_.waiters) == record_; }

  // After the list has changed: the lock may be reserved for nobody, or for one who sleeps. So may it be after the word has
  // (release_word): whichever comes second sees what the other did.
  static void pass_on(LockState& state) noexcept {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    std::uint64_t seen = state.word.value.load();
    if (seen != kReserved) return;
    if (first_waiter(state.waiters) == 0) state.word.value.compare_exchange_strong(seen, 0);
    wake_all(state);
  }

  // Places of the dead. Where there are none the word is the first one's, and nobody is woken: those who find it so would wake each
  // other without end while that one does not run.
  static void clear(LockState& state, ArenaCore& core) {
    note_look(state.waiters);
    const auto is_dead = [&](const Waiter& each) { return !core.alive(each.process); };
    bool has_removed = false;
    {
      Transaction section(core);
      while (const std::uint64_t dead = find_waiter(section.region(), state.waiters, is_dead)) {
        remove_waiter(section, state.waiters, dead);
        section.commit();
        has_removed = true;
      }
    }
    if (has_removed || first_waiter(state.waiters) == 0) pass_on(state);
  }

 private:
  LockState& state_;
  ArenaCore& core_;
  std::uint64_t record_;
};

Acquired acquire_in_turn(LockState& state, ArenaCore& core, Deadline deadline) {
  const Turn turn(state, core);
  const std::uint64_t mine = core.identity() | kWaitersBit;
  std::atomic<std::uint64_t>& word = state.word.value;
  for (auto slice = kUserPatience.first;; slice = std::min(slice * 2, kUserPatience.longest)) {
    std::uint64_t seen = word.load();
    if (seen == 0 || seen == kReserved) {
      if (turn.has_come()) {
        if (word.compare_exchange_strong(seen, mine)) return Acquired::yes;
        continue;
      }
      if (seen == 0) {
        if (word.compare_exchange_strong(seen, kReserved)) Turn::pass_on(state);
        continue;
      }
    } else if (!core.alive(owner_of(seen))) {
      if (word.compare_exchange_strong(seen, mine)) return Acquired::owner_died;
      continue;
    }
    if (deadline.passed()) return Acquired::timed_out;
    if ((seen & kWaitersBit) == 0 && !word.compare_exchange_weak(seen, seen | kWaitersBit)) continue;
    POLYPROC_FAIL_POINT("lock.sleeps_in_turn");
    os::futex_wait(word, static_cast<std::uint32_t>(seen | kWaitersBit), deadline.remaining(slice));
    if (word.load() == kReserved && !turn.has_come() && claim_look(state.waiters)) Turn::clear(state, core);
  }
}

Acquired acquire_word(LockState& state, ArenaCore& core, Deadline deadline) {
  if (try_acquire(state.word, core.identity())) [[likely]]
    return Acquired::yes;
  for (;;) {
    const Deadline patience =
        deadline.is_now() ? deadline : std::min(deadline, Deadline::after(kLockPatience));
    switch (acquire_slow(state.word, core, patience, kUserPatience)) {
      case Claim::taken:
        return Acquired::yes;
      case Claim::taken_from_dead:
        return Acquired::owner_died;
      case Claim::timed_out:
        break;
    }
    if (!deadline.passed()) {
      try {
        return acquire_in_turn(state, core, deadline);
      } catch (
          const ArenaFull&) {  // no room for a place in the order: it waits on without one, and asks again
      }
      if (state.word.value.load() == kReserved && claim_look(state.waiters)) Turn::clear(state, core);
      continue;
    }
    if (state.word.value.load() != kReserved) return Acquired::timed_out;
    Turn::clear(state, core);  // it may be reserved for one who died
    if (state.word.value.load() != 0) return Acquired::timed_out;
  }
}

// False when nobody held it.
bool release_word(LockState& state) noexcept {
  if (first_waiter(state.waiters) == 0) [[likely]] {
    const std::uint64_t old = state.word.value.exchange(0, std::memory_order_release);
    if ((old & kWaitersBit) != 0) wake_waiter(state.word);
    return owner_of(old) != 0;
  }
  const std::uint64_t old = state.word.value.exchange(kReserved);
  POLYPROC_FAIL_POINT("lock.reserved");
  Turn::pass_on(state);
  return owner_of(old) != 0;
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
  const Acquired result = acquire_word(state, core, deadline);
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
  (void)release_word(state);
}

void release_simple(LockState& state) {
  POLYPROC_FAIL_POINT("lock.before_release");
  if (!release_word(state)) throw UsageError("releasing a Lock: nobody holds it; acquire it first");
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
      recursive_ ? acquire_recursive(state, core, deadline) : acquire_word(state, core, deadline);
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
  return owner_of(state_of(block_).word.value.load(std::memory_order_relaxed)) != 0;
}

Handle LockHandle::handle() const {
  block_.require("taking the handle of a lock");
  return block_.handle();
}

std::ostream& operator<<(std::ostream& out, const LockHandle& lock) {
  if (!lock.block_) return out << "<lock, closed>";
  const char* kind = lock.recursive_ ? "RLock" : "Lock";
  const std::uint64_t word = state_of(lock.block_).word.value.load(std::memory_order_relaxed);
  if (owner_of(word) == 0) return out << fmt::format("<{}, free>", kind);
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
