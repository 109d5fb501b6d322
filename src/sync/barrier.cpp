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

bool is_over(const BarrierState& state, std::uint64_t round) noexcept {
  return state.broken.load() != 0 || state.round.load() != round;
}

void set_broken(Transaction& section, BarrierState& state) {
  section.set(state.broken, 1);
  section.set(state.acting, 0);
}

// Takes the dead out; one that waited, or was at the action, breaks the barrier.
void bury_dead(Transaction& section, BarrierState& state) {
  note_look(state.waiters);
  const ArenaCore& core = section.core();
  const bool was_broken = state.broken.load() != 0;
  const auto is_dead = [&](const Waiter& each) { return !core.alive(each.process); };
  while (const std::uint64_t dead = find_waiter(section.region(), state.waiters, is_dead)) {
    if (is_of_this_round(state, waiter_at(section.region(), dead))) set_broken(section, state);
    remove_waiter(section, state.waiters, dead);
    section.commit();
  }
  const std::uint64_t acting = state.acting.load();
  if (acting != 0 && !core.alive(acting)) {
    set_broken(section, state);
    section.commit();
  }
  if (!was_broken && state.broken.load() != 0) announce_change(state);
}

void break_barrier(const BlockRef& block) {
  BarrierState& state = state_of(block);
  {
    Transaction section(block.core());
    set_broken(section, state);
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

enum class Step { waits, passed, acts };

// One party, from its arrival until its round is over.
class Arrival {
 public:
  Arrival(ArenaCore& core, BarrierState& state, Deadline deadline, bool has_action)
      : core_(core), state_(state), deadline_(deadline), has_action_(has_action) {}

  // Throws BrokenBarrier.
  [[nodiscard]] Step step() {
    const Step step = step_inside();
    if (is_to_announce_) announce_change(state_);  // outside: who is woken takes the arena's lock
    return step;
  }

  // A killed process may have changed what the words say without announcing it.
  void sleep() {
    POLYPROC_FAIL_POINT("barrier.before_sleep");
    while (state_.changes.load() == seen_ && !may_go_on() && !is_to_look_) {
      is_to_look_ = claim_look(state_.waiters);
      if (!is_to_look_)
        os::futex_wait(state_.changes, seen_, deadline().remaining(until_look(state_.waiters)));
    }
  }

  [[nodiscard]] std::uint64_t place() const noexcept { return place_; }
  [[nodiscard]] std::uint64_t round() const noexcept { return round_; }

 private:
  [[nodiscard]] Step step_inside() {
    Transaction section(core_);
    const bool looks = std::exchange(is_to_look_, false) || claim_look(state_.waiters);
    if (looks) bury_dead(section, state_);
    seen_ = state_.changes.load();
    if (record_ != 0) {
      const Waiter& own = waiter_at(section.region(), record_);
      const bool sent_away = own.told.load() != 0;
      if (sent_away || own.round < state_.round.load()) {
        leave(section);
        if (sent_away) throw_broken();
        return Step::passed;
      }
    }
    if (state_.broken.load() == 0 && deadline().passed()) {
      set_broken(section, state_);
      section.commit();
      announce_change(state_);
    }
    if (state_.broken.load() != 0) {
      leave(section);
      throw_broken();
    }
    return record_ == 0 ? arrive(section, looks) : Step::waits;
  }

  // There is none without a place, nor while an action runs.
  [[nodiscard]] Deadline deadline() const noexcept {
    return record_ == 0 || state_.acting.load() != 0 ? Deadline::never() : deadline_;
  }
  [[nodiscard]] bool may_go_on() const noexcept {
    return record_ == 0 ? state_.acting.load() == 0 : is_over(state_, round_) || deadline().passed();
  }

  // While an action runs, those who come wait until its round is over.
  Step arrive(Transaction& section, bool has_looked) {
    if (state_.acting.load() != 0) {
      if (!has_rested_) left_ = deadline_.remaining(Deadline::Clock::duration::max());
      has_rested_ = true;
      return Step::waits;
    }
    if (has_rested_ && !deadline_.is_never()) deadline_ = Deadline::after(left_);
    place_ = count_waiting(section.region(), state_);
    round_ = state_.round.load();
    if (place_ + 1 == state_.parties) return complete(section, has_looked);
    record_ = add_waiter(section, state_.waiters, round_);
    section.commit();
    return Step::waits;
  }

  // Whoever comes last looks at those who have waited: nobody will after it.
  Step complete(Transaction& section, bool has_looked) {
    if (!has_looked) bury_dead(section, state_);
    if (state_.broken.load() != 0) throw_broken();
    if (has_action_) {
      section.set(state_.acting, core_.identity());
      section.commit();
      return Step::acts;
    }
    section.set(state_.round, round_ + 1);
    section.commit();
    is_to_announce_ = true;
    return Step::passed;
  }

  void leave(Transaction& section) {
    if (record_ != 0) remove_waiter(section, state_.waiters, record_);
    section.commit();
  }

  ArenaCore& core_;
  BarrierState& state_;
  Deadline deadline_;
  bool has_action_;
  Deadline::Clock::duration left_{};  // of its time, where it came during an action
  bool has_rested_ = false;
  std::uint64_t record_ = 0, place_ = 0, round_ = 0;
  std::uint32_t seen_ = 0;
  bool is_to_look_ = false, is_to_announce_ = false;
};

}  // namespace

Barrier::Barrier(std::uint64_t parties, const Arena& arena) : block_(make(arena, parties)) {}
Barrier::Barrier(const Arena& arena, const std::string& name, std::uint64_t parties)
    : block_(checked(arena.find_or_publish(name, [&] { return make(arena, parties); }))) {}
Barrier Barrier::from_block(BlockRef block) { return Barrier(checked(std::move(block))); }

std::uint64_t Barrier::wait_until(Deadline deadline) {
  block_.require("waiting at a barrier");
  Arrival arrival(block_.core(), state_of(block_), deadline, static_cast<bool>(action_));
  for (;;) {
    const Step step = arrival.step();
    if (step == Step::acts) act(arrival.round());
    if (step != Step::waits) return arrival.place();
    arrival.sleep();
  }
}

// By the last one, while the others wait: `acting` names this process, so that its death breaks the barrier. Who has broken or reset it
// meanwhile has ended the round; what has begun since is no business of this one.
void Barrier::act(std::uint64_t round) {
  POLYPROC_FAIL_POINT("barrier.acting");
  BarrierState& state = state_of(block_);
  const auto end = [&](bool passed) {
    {
      Transaction section(block_.core());
      if (is_over(state, round)) return false;
      section.set(state.acting, 0);
      if (passed)
        section.set(state.round, round + 1);
      else
        section.set(state.broken, 1);
      section.commit();
    }
    announce_change(state);
    return true;
  };
  try {
    action_();
  } catch (...) {
    (void)end(false);
    throw;
  }
  if (!end(true)) throw_broken();
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
    set_broken(section, state);
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
  BarrierState& state = state_of(block_);
  Transaction section(block_.core());
  if (claim_look(state.waiters)) bury_dead(section, state);
  return count_waiting(section.region(), state);
}
bool Barrier::broken() const {
  block_.require("looking at a barrier");
  BarrierState& state = state_of(block_);
  if (claim_look(state.waiters)) {
    Transaction section(block_.core());
    bury_dead(section, state);
  }
  return state.broken.load() != 0;
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
