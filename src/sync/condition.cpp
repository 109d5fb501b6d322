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

// The first who waits hears it; whether there was one.
bool tell_next(Transaction& section, ConditionState& state) {
  const std::uint64_t next = find_waiter(section.region(), state.waiters, waits);
  if (next == 0) return false;
  section.set(waiter_at(section.region(), next).told, 1);
  POLYPROC_FAIL_POINT("condition.told");
  wake_waiter(section.core(), next);  // it finds out when the transaction is over
  return true;
}

// What the dead did not hear goes to the next.
void bury_dead(Transaction& section, ConditionState& state) {
  const auto is_dead = [&](const Waiter& each) { return !section.core().alive(each.process); };
  while (const std::uint64_t dead = find_waiter(section.region(), state.waiters, is_dead)) {
    const bool was_told = !waits(waiter_at(section.region(), dead));
    remove_waiter(section, state.waiters, dead);
    if (was_told) (void)tell_next(section, state);
    section.commit();
  }
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

bool Condition::wait_until(Deadline deadline) {
  block_.require("waiting for a condition");
  Waiting waiting(*this);
  const std::uint64_t depth = state_of(block_).lock.depth;  // means nothing where the first release throws
  lock_.release();
  for (std::uint64_t i = 1; i < depth; ++i) lock_.release();
  bool has_died = false;
  const auto lock_again = [&] {
    has_died = lock_.acquire_checked() == Acquired::owner_died;
    for (std::uint64_t i = 1; i < depth; ++i) lock_.lock();
  };
  bool notified = false;
  try {
    notified = waiting.sleep(deadline);
  } catch (...) {
    lock_again();
    throw;
  }
  lock_again();
  if (has_died)
    throw OwnerDied(
        "waiting for a condition: the process that held its lock died inside; the data it guards may be half "
        "changed");
  return notified;
}

Condition::Waiting::Waiting(const Condition& condition) : block_(condition.block_) {
  block_.require("waiting for a condition");
  Transaction section(block_.core());
  record_ = add_waiter(section, state_of(block_).waiters);
  section.commit();
}

Condition::Waiting::~Waiting() {
  if (record_ == 0) return;
  try {
    Transaction section(block_.core());
    const bool was_told = !waits(waiter_at(section.region(), record_));
    remove_waiter(section, state_of(block_).waiters, record_);
    if (was_told) (void)tell_next(section, state_of(block_));
    section.commit();
  } catch (const Error&) {
    // The arena is damaged: the next call says so.
  }
}

bool Condition::Waiting::sleep(Deadline deadline) {
  ConditionState& state = state_of(block_);
  for (;;) {
    {
      Transaction section(block_.core());
      bury_dead(section, state);
      const bool told = !waits(waiter_at(section.region(), record_));
      if (told || deadline.passed()) {
        remove_waiter(section, state.waiters, record_);
        section.commit();
        record_ = 0;
        return told;
      }
    }
    POLYPROC_FAIL_POINT("condition.before_sleep");
    sleep_as(block_.core(), record_, deadline);
    POLYPROC_FAIL_POINT("condition.woken");
  }
}

void Condition::notify(std::uint64_t waiters) {
  block_.require("notifying a condition");
  ConditionState& state = state_of(block_);
  Transaction section(block_.core());
  bury_dead(section, state);
  for (; waiters != 0 && tell_next(section, state); --waiters) section.commit();
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
