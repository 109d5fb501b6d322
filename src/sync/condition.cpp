// SPDX-License-Identifier: MIT
#include <polyproc/sync/condition.hpp>

#include <ostream>

#include <fmt/format.h>
#include <polyproc/os/fail_point.hpp>

#include "arena/arena_core.hpp"
#include "sync/sync_states.hpp"

namespace polyproc::inline v0 {
namespace {

ConditionState& state_of(const BlockRef& block) noexcept {
  return *reinterpret_cast<ConditionState*>(block.data());
}

bool waits(const Waiter& each) { return each.told.load() == 0; }

// The first who waits, and came before `arrivals`, hears it; whether there was one.
bool tell_next(Transaction& section, ConditionState& state, std::uint64_t arrivals) {
  const auto may_hear = [&](const Waiter& each) { return waits(each) && each.round < arrivals; };
  const std::uint64_t next = find_waiter(section.region(), state.waiters, may_hear);
  if (next == 0) return false;
  Waiter& waiter = waiter_at(section.region(), next);
  section.set(waiter.round, arrivals);
  section.set(waiter.told, 1);
  POLYPROC_FAIL_POINT("condition.told");
  wake_waiter(section.core(), next);  // it finds out when the transaction is over
  return true;
}

// What it was told and did not hear goes to the next of those who waited then.
void take_out(Transaction& section, ConditionState& state, std::uint64_t record) {
  const Waiter& waiter = waiter_at(section.region(), record);
  const bool was_told = !waits(waiter);
  const std::uint64_t arrivals = waiter.round;
  remove_waiter(section, state.waiters, record);
  if (was_told) (void)tell_next(section, state, arrivals);
  section.commit();
}

void bury_dead(Transaction& section, ConditionState& state) {
  note_look(state.waiters);
  const auto is_dead = [&](const Waiter& each) { return !section.core().alive(each.process); };
  while (const std::uint64_t dead = find_waiter(section.region(), state.waiters, is_dead))
    take_out(section, state, dead);
}

BlockRef checked(BlockRef block) {
  check_type(block, BlockKind::condition, {});
  return block;
}

}  // namespace

Condition::Condition(BlockRef block) : block_(std::move(block)), lock_(RLock::from_block(block_)) {
  register_waiters_release();
}
Condition::Condition(const Arena& arena)
    : Condition(BlockRef::create(arena, BlockKind::condition, {}, sizeof(ConditionState))) {}
Condition::Condition(const Arena& arena, const std::string& name)
    : Condition(checked(arena.find_or_publish(name, [&] { return Condition(arena).block(); }))) {}
Condition Condition::from_block(BlockRef block) { return Condition(checked(std::move(block))); }

// Its own lock, as often as this thread held it.
class Condition::OwnLock {
 public:
  explicit OwnLock(Condition& condition)
      : lock_(condition.lock_), depth_(state_of(condition.block_).lock.depth) {}
  // Throws UsageError where this thread does not hold it: then the depth means nothing.
  void unlock() {
    for (std::uint64_t i = 0; i < depth_ || i == 0; ++i) lock_.release();
  }
  void lock() {
    const Acquired result = lock_.acquire_checked();
    for (std::uint64_t i = 1; i < depth_; ++i) lock_.lock();
    has_died_ = has_died_ || result == Acquired::owner_died;
  }
  [[nodiscard]] bool has_died() const noexcept { return has_died_; }

 private:
  RLock& lock_;
  std::uint64_t depth_;
  bool has_died_ = false;
};

bool Condition::wait_until(Deadline deadline) {
  block_.require("waiting for a condition");
  OwnLock lock(*this);
  const bool notified = wait_until(lock, deadline);
  if (lock.has_died()) throw_owner_died();
  return notified;
}

void Condition::throw_owner_died() {
  throw OwnerDied(
      "waiting for a condition: the process that held its lock died inside; the data it guards may be half "
      "changed");
}

Condition::Waiting::Waiting(const Condition& condition) : block_(condition.block_) {
  block_.require("waiting for a condition");
  ConditionState& state = state_of(block_);
  Transaction section(block_.core());
  record_ = add_waiter(section, state.waiters, state.arrivals);
  section.set(state.arrivals, state.arrivals + 1);
  section.commit();
}

Condition::Waiting::~Waiting() {
  if (record_ == 0) return;
  try {
    Transaction section(block_.core());
    take_out(section, state_of(block_), record_);
  } catch (const Error&) {
    // The arena is damaged: the next call says so.
  }
}

void Condition::Waiting::sleep(Deadline deadline) {
  ConditionState& state = state_of(block_);
  for (;;) {
    POLYPROC_FAIL_POINT("condition.before_sleep");
    const bool is_to_look = sleep_as(block_.core(), state.waiters, record_, deadline);
    POLYPROC_FAIL_POINT("condition.woken");
    Transaction section(block_.core());  // with it a notification that was not committed is undone
    if (is_to_look) bury_dead(section, state);
    if (!waits(waiter_at(section.region(), record_)) || deadline.passed()) break;
  }
  POLYPROC_FAIL_POINT("condition.told_and_free");
}

bool Condition::Waiting::leave() {
  ConditionState& state = state_of(block_);
  Transaction section(block_.core());
  if (waits(waiter_at(section.region(), record_))) bury_dead(section, state);  // which may tell it
  const bool told = !waits(waiter_at(section.region(), record_));
  remove_waiter(section, state.waiters, record_);
  section.commit();
  record_ = 0;
  return told;
}

void Condition::notify(std::uint64_t waiters) {
  block_.require("notifying a condition");
  ConditionState& state = state_of(block_);
  Transaction section(block_.core());
  if (claim_look(state.waiters)) bury_dead(section, state);
  for (; waiters != 0 && tell_next(section, state, state.arrivals); --waiters) section.commit();
}

Handle Condition::handle() const {
  block_.require("taking the handle of a condition");
  return block_.handle();
}

std::ostream& operator<<(std::ostream& out, const Condition& condition) {
  if (!condition.block_) return out << "<Condition, closed>";
  return out << "<Condition, " << condition.lock_ << '>';
}

}  // namespace polyproc::inline v0
