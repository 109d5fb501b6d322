// SPDX-License-Identifier: MIT
#include <polyproc/sync/barrier.hpp>

#include <limits>
#include <ostream>
#include <utility>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>

#include "arena/arena_core.hpp"
#include "os/futex.hpp"
#include "sync/sleepers.hpp"
#include "sync/sync_states.hpp"

namespace polyproc::inline v0 {
namespace {

BarrierState& state_of(const BlockRef& block) noexcept {
  return *reinterpret_cast<BarrierState*>(block.data());
}

[[noreturn]] void throw_broken() {
  throw BrokenBarrier(
      "waiting at a barrier: it is broken: a deadline, an abort, an action's exception or the death of a "
      "party; reset() mends it");
}

// After each commit that others wait for.
void announce_change(BarrierState& state) noexcept {
  POLYPROC_FAIL_POINT("barrier.before_wake");
  state.changes.fetch_add(1);
  os::futex_wake(state.changes, std::numeric_limits<int>::max());
}

bool is_of_this_round(const BarrierState& state, const Waiter& each) noexcept {
  return each.told.load() == 0 && each.round == state.round.load();
}

std::uint64_t count_waiting(const Region& region, const BarrierState& state) {
  std::uint64_t count = 0;
  (void)find_waiter(region, state.waiters, [&](const Waiter& each) {
    count += is_of_this_round(state, each);
    return false;
  });
  return count;
}

// Takes the dead out; one that waited, or was at the action, breaks the barrier.
void bury_dead(Transaction& section, BarrierState& state) {
  const ArenaCore& core = section.core();
  const auto is_dead = [&](const Waiter& each) { return !core.alive(each.process); };
  while (const std::uint64_t dead = find_waiter(section.region(), state.waiters, is_dead)) {
    if (is_of_this_round(state, waiter_at(section.region(), dead))) section.set(state.broken, 1);
    remove_waiter(section, state.waiters, dead);
    section.commit();
  }
  const std::uint64_t acting = state.acting.load();
  if (acting == 0 || core.alive(acting)) return;
  section.set(state.broken, 1);
  section.set(state.acting, 0);
  section.commit();
}

void break_barrier(const BlockRef& block) {
  BarrierState& state = state_of(block);
  {
    Transaction section(block.core());
    section.set(state.broken, 1);
    section.set(state.acting, 0);
    section.commit();
  }
  announce_change(state);
}

BlockRef checked(BlockRef block) {
  check_type(block, BlockKind::barrier, {});
  register_waiters_release();
  return block;
}

BlockRef make(const Arena& arena, std::uint64_t parties) {
  if (parties == 0) throw InvalidArgument("making a barrier: of no parties; it takes at least 1");
  register_waiters_release();
  BlockRef block = BlockRef::create(arena, BlockKind::barrier, {}, sizeof(BarrierState));
  state_of(block).parties = parties;
  return block;
}

}  // namespace

Barrier::Barrier(std::uint64_t parties, const Arena& arena) : block_(make(arena, parties)) {}
Barrier::Barrier(const Arena& arena, const std::string& name, std::uint64_t parties)
    : block_(checked(arena.find_or_publish(name, [&] { return make(arena, parties); }))) {}
Barrier Barrier::from_block(BlockRef block) { return Barrier(checked(std::move(block))); }

// By the last one, while the others wait: `acting` names this process, so that its death breaks the barrier.
void Barrier::act() {
  if (!action_) return;
  try {
    action_();
  } catch (...) {
    break_barrier(block_);
    throw;
  }
}

std::uint64_t Barrier::wait_until(Deadline deadline) {
  block_.require("waiting at a barrier");
  ArenaCore& core = block_.core();
  BarrierState& state = state_of(block_);
  std::uint64_t record = 0, place = 0;
  for (;;) {
    const std::uint32_t seen = state.changes.load();
    bool is_last = false, has_broken = false;
    {
      Transaction section(core);
      const bool was_broken = state.broken.load() != 0;
      bury_dead(section, state);
      const auto leave = [&] {
        if (record != 0) remove_waiter(section, state.waiters, record);
        section.commit();
      };
      if (record != 0) {
        const Waiter& own = waiter_at(section.region(), record);
        const bool passed = own.told.load() == 0 && own.round < state.round.load();
        const bool sent_away = own.told.load() != 0;
        if (passed || sent_away) {
          leave();
          if (passed) return place;
          throw_broken();
        }
      }
      if (state.broken.load() == 0 && deadline.passed() && (record != 0 || state.acting.load() != 0)) {
        section.set(state.broken, 1);
        section.set(state.acting, 0);
      }
      has_broken = state.broken.load() != 0;
      if (has_broken) {
        leave();
        if (!was_broken) announce_change(state);
        throw_broken();
      }
      // While an action runs, those who come wait until its round is over.
      if (record == 0 && state.acting.load() == 0) {
        place = count_waiting(section.region(), state);
        is_last = place + 1 == state.parties;
        if (is_last)
          section.set(state.acting, core.identity());
        else
          record = add_waiter(section, state.waiters, state.round.load());
        section.commit();
      }
    }
    if (is_last) break;
    POLYPROC_FAIL_POINT("barrier.before_sleep");
    os::futex_wait(state.changes, seen, deadline.remaining(kSleepSlice));
  }
  POLYPROC_FAIL_POINT("barrier.acting");
  act();
  {
    Transaction section(core);
    if (state.broken.load() != 0) throw_broken();
    section.set(state.round, state.round.load() + 1);
    section.set(state.acting, 0);
    section.commit();
  }
  announce_change(state);
  return place;
}

void Barrier::abort() {
  block_.require("aborting a barrier");
  break_barrier(block_);
}

// Step by step: broken, so that nobody passes; then each who waits is sent away; then it is as new.
void Barrier::reset() {
  block_.require("resetting a barrier");
  BarrierState& state = state_of(block_);
  {
    Transaction section(block_.core());
    section.set(state.broken, 1);
    section.set(state.acting, 0);
    section.commit();
    const auto waits = [&](const Waiter& each) { return is_of_this_round(state, each); };
    while (const std::uint64_t next = find_waiter(section.region(), state.waiters, waits)) {
      section.set(waiter_at(section.region(), next).told, 1);
      section.commit();
    }
    section.set(state.round, state.round.load() + 1);
    section.set(state.broken, 0);
    section.commit();
  }
  announce_change(state);
}

std::uint64_t Barrier::parties() const {
  block_.require("looking at a barrier");
  return state_of(block_).parties;
}
std::uint64_t Barrier::n_waiting() const {
  block_.require("looking at a barrier");
  Transaction section(block_.core());
  return count_waiting(section.region(), state_of(block_));
}
bool Barrier::broken() const {
  block_.require("looking at a barrier");
  return state_of(block_).broken.load() != 0;
}

Handle Barrier::handle() const {
  block_.require("taking the handle of a barrier");
  return block_.handle();
}

std::ostream& operator<<(std::ostream& out, const Barrier& barrier) {
  if (!barrier.block_) return out << "<Barrier, closed>";
  return out << fmt::format("<Barrier, {} of {} wait{}>", barrier.n_waiting(), barrier.parties(),
                            barrier.broken() ? ", broken" : "");
}

}  // namespace polyproc::inline v0
