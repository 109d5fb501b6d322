// SPDX-License-Identifier: MIT
// Permits are taken and given by compare-and-swap, and who waits competes for them, until somebody's patience ends: it enters the
// list and closes the short way, and permits are handed over, in transactions, until the list is served.
#include <polyproc/sync/semaphore.hpp>

#include <algorithm>
#include <ostream>
#include <utility>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>

#include "arena/arena_core.hpp"
#include "sync/sleepers.hpp"
#include "sync/sync_states.hpp"
#include "sync/watch.hpp"

namespace polyproc::inline v0 {
namespace {

constexpr std::uint64_t kMostPermits = std::uint64_t{1} << 62;

SemaphoreState& state_of(const BlockRef& block) noexcept {
  return *reinterpret_cast<SemaphoreState*>(block.data());
}

bool has_permit(const void* state) noexcept {
  return static_cast<const SemaphoreState*>(state)->word.load(std::memory_order_acquire) >= kOnePermit;
}

bool take_free(SemaphoreState& state) noexcept {
  std::uint64_t word = state.word.load();
  while ((word & kHandedOver) == 0 && word >= kOnePermit)
    if (state.word.compare_exchange_weak(word, word - kOnePermit)) return true;
  return false;
}

void require_room(const SemaphoreState& state, std::uint64_t word, std::uint64_t permits) {
  if (permits <= state.limit && word / kOnePermit <= state.limit - permits) return;
  throw UsageError(
      state.bounded != 0
          ? fmt::format(
                "releasing a BoundedSemaphore: it was released more often than acquired; it has {} permits",
                state.limit)
          : fmt::format("releasing a Semaphore: it cannot have {} permits more", permits));
}

void wake(const ArenaCore& core, SemaphoreState& state, std::uint64_t permits) noexcept {
  ArenaHeader& arena = core.header();
  if (wake_sleepers(state.sleepers, arena.fenced != 0, permits))
    ring_watchers(arena, state.sleepers, state.watchers);
}

// The short way is closed while this lives; when it ends it has handed over what there is, and opens it when nobody waits in turn.
class HandingOver {
 public:
  HandingOver(ArenaCore& core, SemaphoreState& state) : state_(state), section_(core) {
    state_.word.fetch_or(kHandedOver);
    POLYPROC_FAIL_POINT("semaphore.closed");
  }
  HandingOver(const HandingOver&) = delete;
  HandingOver& operator=(const HandingOver&) = delete;

  [[nodiscard]] bool is_told(std::uint64_t record) const {
    return waiter_at(section_.region(), record).told.load() != 0;
  }
  [[nodiscard]] std::uint64_t enter() {
    const std::uint64_t record = add_waiter(section_, state_.waiters);
    section_.commit();
    return record;
  }
  void add(std::uint64_t permits) {
    require_room(state_, state_.word.load(), permits);
    set_word(permits);
    section_.commit();
  }
  // With the permit that it had, or without.
  void leave(std::uint64_t record, std::uint64_t permits) {
    remove_waiter(section_, state_.waiters, record);
    if (permits != 0) set_word(permits);
    section_.commit();
  }

  // `looks`: for the dead.
  void run(bool looks) {
    if (looks) bury_dead();
    const Region& region = section_.region();
    const auto waits = [](const Waiter& each) { return each.told.load() == 0; };
    std::uint64_t next = 0;
    while ((next = find_waiter(region, state_.waiters, waits)) != 0 && state_.word.load() >= kOnePermit) {
      section_.set(waiter_at(region, next).told, 1);
      section_.set(state_.word, state_.word.load() - kOnePermit);
      section_.commit();
      wake_waiter(section_.core(), next);
    }
    if (next != 0) return;
    POLYPROC_FAIL_POINT("semaphore.served");
    const std::uint64_t left = state_.word.fetch_and(~kHandedOver) / kOnePermit;
    if (left != 0) wake(section_.core(), state_, left);
  }

 private:
  void set_word(std::uint64_t more) { section_.set(state_.word, state_.word.load() + more * kOnePermit); }
  void bury_dead() {
    note_look(state_.waiters);
    const auto is_dead = [&](const Waiter& each) { return !section_.core().alive(each.process); };
    while (const std::uint64_t dead = find_waiter(section_.region(), state_.waiters, is_dead))
      leave(dead, is_told(dead) ? 1 : 0);
  }

  SemaphoreState& state_;
  Transaction section_;
};

// What throws is undone, and does not leave the short way closed with nobody to open it.
template <class Act>
auto hand_over(ArenaCore& core, SemaphoreState& state, Act act) {
  try {
    HandingOver turn(core, state);
    return act(turn);
  } catch (...) {
    try {
      HandingOver(core, state).run(claim_look(state.waiters));
    } catch (const Error&) {
      // The arena is damaged: what was thrown first says so.
    }
    throw;
  }
}

// The dead alone may have what somebody who does not stand in the list waits for.
void settle(ArenaCore& core, const void* object, bool is_last_look) noexcept {
  auto& state = *const_cast<SemaphoreState*>(static_cast<const SemaphoreState*>(object));
  if (first_waiter(state.waiters) == 0 || (!is_last_look && !claim_look(state.waiters))) return;
  try {
    HandingOver(core, state).run(true);
  } catch (const Error&) {
    // The arena is damaged: the next call says so.
  }
}

}  // namespace

BlockRef SemaphoreHandle::make(const Arena& arena, std::uint64_t value, bool bounded) {
  if (value > kMostPermits)
    throw InvalidArgument(fmt::format("making a semaphore: {} permits are too many", value));
  register_waiters_release();
  BlockRef block = BlockRef::create(arena, BlockKind::semaphore, {}, sizeof(SemaphoreState));
  SemaphoreState& state = state_of(block);
  state.limit = bounded ? value : kMostPermits;
  state.bounded = bounded ? 1 : 0;
  state.word.store(value * kOnePermit);
  return block;
}

BlockRef SemaphoreHandle::checked(BlockRef block, bool bounded) {
  check_type(block, BlockKind::semaphore, {});
  register_waiters_release();
  if ((state_of(block).bounded != 0) != bounded)
    throw TypeMismatch(bounded ? "opening a BoundedSemaphore: it is a Semaphore, which has no bound"
                               : "opening a Semaphore: it is a BoundedSemaphore");
  return block;
}

bool SemaphoreHandle::acquire_until(Deadline deadline) {
  block_.require("acquiring a semaphore");
  ArenaCore& core = block_.core();
  SemaphoreState& state = state_of(block_);
  if (take_free(state)) return true;
  if (deadline.is_now()) {
    if ((state.word.load() & kHandedOver) == 0 && first_waiter(state.waiters) == 0) return false;
    HandingOver(core, state).run(true);  // the dead may have permits, or the turn
    return take_free(state);
  }
  const Deadline patience = std::min(deadline, Deadline::after(kSemaphorePatience));
  while (!patience.passed()) {
    const std::uint32_t announced = announce_sleeper(state.sleepers, core.header().fenced != 0);
    if (take_free(state)) return true;
    sleep_announced(state.sleepers, announced, patience);
    if (take_free(state)) return true;
  }
  const std::uint64_t record = take_in_turn(deadline);
  if (record == 0) return false;
  HandingOver turn(core, state);
  turn.leave(record, 0);
  turn.run(claim_look(state.waiters));
  return true;
}

// The record that has the permit; 0 at the deadline.
std::uint64_t SemaphoreHandle::take_in_turn(Deadline deadline) {
  ArenaCore& core = block_.core();
  SemaphoreState& state = state_of(block_);
  std::uint64_t record = 0;
  bool is_to_look = claim_look(state.waiters);
  for (;;) {
    const bool is_last = deadline.passed();
    const bool is_told = hand_over(core, state, [&](HandingOver& turn) {
      if (record == 0) record = turn.enter();
      turn.run(is_to_look || is_last);
      if (turn.is_told(record)) return true;
      if (is_last) {
        turn.leave(std::exchange(record, 0), 0);
        turn.run(false);
      }
      return false;
    });
    if (is_told) POLYPROC_FAIL_POINT("semaphore.told");
    if (is_told || is_last) return record;
    is_to_look = sleep_as(core, state.waiters, record, deadline);
  }
}

void SemaphoreHandle::release(std::uint64_t permits) {
  block_.require("releasing a semaphore");
  if (permits == 0) throw InvalidArgument("releasing a semaphore: of no permits at all; it is at least 1");
  ArenaCore& core = block_.core();
  SemaphoreState& state = state_of(block_);
  std::uint64_t word = state.word.load();
  while ((word & kHandedOver) == 0) {
    require_room(state, word, permits);
    if (!state.word.compare_exchange_weak(word, word + permits * kOnePermit)) continue;
    POLYPROC_FAIL_POINT("semaphore.released");
    return wake(core, state, permits);
  }
  hand_over(core, state, [&](HandingOver& turn) {
    turn.add(permits);
    turn.run(claim_look(state.waiters));
  });
}

std::optional<SemaphoreHandle::Permit> SemaphoreHandle::hold_until(Deadline deadline) {
  block_.require("acquiring a semaphore");
  const std::uint64_t record = take_in_turn(deadline);
  if (record == 0) return std::nullopt;
  return Permit(block_, record);
}

SemaphoreHandle::Permit::Permit(BlockRef block, std::uint64_t record) noexcept
    : block_(std::move(block)), record_(record), owner_(block_.core().identity()) {}

// The copy in a forked child is no permit: it is its parent's.
void SemaphoreHandle::Permit::release() noexcept {
  const std::uint64_t record = std::exchange(record_, 0);
  if (record == 0 || block_.core().identity() != owner_) return;
  try {
    SemaphoreState& state = state_of(block_);
    HandingOver turn(block_.core(), state);
    turn.leave(record, 1);
    turn.run(claim_look(state.waiters));
  } catch (const Error&) {
    // The arena is damaged: the next call says so.
  }
}

std::uint64_t SemaphoreHandle::get_value() const {
  block_.require("looking at a semaphore");
  return state_of(block_).word.load() / kOnePermit;
}

Waitable SemaphoreHandle::waitable() const {
  block_.require("waiting for a semaphore");
  SemaphoreState& state = state_of(block_);
  return Waitable(
      WatchedObject{&block_.core(), &state.sleepers, &state.watchers, has_permit, &state, settle});
}

Handle SemaphoreHandle::handle() const {
  block_.require("taking the handle of a semaphore");
  return block_.handle();
}

std::ostream& operator<<(std::ostream& out, const SemaphoreHandle& semaphore) {
  if (!semaphore.block_) return out << "<semaphore, closed>";
  const SemaphoreState& state = state_of(semaphore.block_);
  return out << fmt::format("<{}, {} permits>", state.bounded != 0 ? "BoundedSemaphore" : "Semaphore",
                            semaphore.get_value());
}

}  // namespace polyproc::inline v0
