// SPDX-License-Identifier: MIT
// Everybody who holds it or waits for it is in one list, in the order in which they came. The lock is whatever the list says.
#include <polyproc/sync/shared_lock.hpp>

#include <ostream>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>

#include "arena/arena_core.hpp"
#include "sync/sync_states.hpp"

namespace polyproc::inline v0 {
namespace {

SharedLockState& state_of(const BlockRef& block) noexcept {
  return *reinterpret_cast<SharedLockState*>(block.data());
}

bool is_writer(const Waiter& each) noexcept { return (each.round & 1) != 0; }
bool holds(const Waiter& each) noexcept { return each.told.load() != 0; }
// What tells the records of this process's threads apart.
std::uint64_t own_round(std::uint64_t mode) noexcept { return this_thread_number() << 1 | mode; }

// Drops the dead, and notes that a writer was among them.
void bury_dead(Transaction& section, SharedLockState& state) {
  note_look(state.waiters);
  const Region& region = section.region();
  const auto is_dead = [&](const Waiter& each) { return !section.core().alive(each.process); };
  while (const std::uint64_t dead = find_waiter(region, state.waiters, is_dead)) {
    const Waiter& each = waiter_at(region, dead);
    if (holds(each) && is_writer(each)) section.set(state.writer_died, 1);
    remove_waiter(section, state.waiters, dead);
    section.commit();
  }
}

// Lets in whose turn it is.
void serve(Transaction& section, SharedLockState& state) {
  const Region& region = section.region();
  bool is_first = true;
  for (std::uint64_t block = state.waiters.first; block != 0; block = waiter_at(region, block).next) {
    Waiter& each = waiter_at(region, block);
    if (is_writer(each) && !is_first) return;
    if (!holds(each)) {
      if (!section.core().alive(each.process)) {  // it never holds it, so nobody is to be told of its death
        bury_dead(section, state);
        return serve(section, state);
      }
      section.set(each.told, 1);
      section.commit();
      POLYPROC_FAIL_POINT("shared_lock.granted");
      wake_waiter(section.core(), block);
    }
    if (is_writer(each)) return;
    is_first = false;
  }
}

// Once `record` holds it. `repair`: a writer's death is told to one that holds the lock.
Acquired entered(Transaction& section, SharedLockState& state, std::uint64_t record, bool repair) {
  if (state.writer_died.load() == 0) return Acquired::yes;
  section.set(state.writer_died, 0);
  if (!repair) remove_waiter(section, state.waiters, record);
  section.commit();
  if (!repair) serve(section, state);
  return Acquired::owner_died;
}

BlockRef checked(BlockRef block) {
  check_type(block, BlockKind::shared_lock, {});
  register_waiters_release();
  return block;
}

}  // namespace

SharedLock::SharedLock(const Arena& arena)
    : block_(BlockRef::create(arena, BlockKind::shared_lock, {}, sizeof(SharedLockState))) {
  register_waiters_release();
}
SharedLock::SharedLock(const Arena& arena, const std::string& name)
    : block_(checked(arena.find_or_publish(name, [&] { return SharedLock(arena).block(); }))) {}
SharedLock SharedLock::from_block(BlockRef block) { return SharedLock(checked(std::move(block))); }

Acquired SharedLock::acquire(Mode mode, Deadline deadline, bool repair) {
  block_.require("acquiring a shared lock");
  ArenaCore& core = block_.core();
  SharedLockState& state = state_of(block_);
  std::uint64_t record = 0;
  bool is_to_look = claim_look(state.waiters);
  for (;;) {
    {
      Transaction section(core);
      if (record == 0) {
        record = add_waiter(section, state.waiters, own_round(static_cast<std::uint64_t>(mode)));
        section.commit();
      }
      if (is_to_look) bury_dead(section, state);
      serve(section, state);
      const Waiter& own = waiter_at(section.region(), record);
      if (!holds(own) && deadline.passed()) {  // the last look
        bury_dead(section, state);
        serve(section, state);
      }
      if (holds(own)) return entered(section, state, record, repair);
      if (deadline.passed()) {
        remove_waiter(section, state.waiters, record);
        section.commit();
        serve(section, state);
        return Acquired::timed_out;
      }
    }
    POLYPROC_FAIL_POINT("shared_lock.before_sleep");
    is_to_look = sleep_as(core, state.waiters, record, deadline);
  }
}

Acquired SharedLock::acquire_checked(Deadline deadline) { return acquire(Mode::write, deadline, true); }

bool SharedLock::acquire_until(Mode mode, Deadline deadline) {
  const Acquired result = acquire(mode, deadline, false);
  if (result == Acquired::owner_died)
    throw OwnerDied(
        "acquiring a shared lock: the process that wrote under it died inside; the data it guards may be "
        "half changed. "
        "acquire_checked() takes the lock in this case, to repair it");
  return result == Acquired::yes;
}

void SharedLock::release(Mode mode) {
  block_.require("releasing a shared lock");
  SharedLockState& state = state_of(block_);
  Transaction section(block_.core());
  const std::uint64_t identity = block_.core().identity(),
                      round = own_round(static_cast<std::uint64_t>(mode));
  const std::uint64_t record = find_waiter(section.region(), state.waiters, [&](const Waiter& each) {
    return each.process == identity && each.round == round && holds(each);
  });
  if (record == 0)
    throw UsageError(
        "releasing a shared lock: this thread does not hold it so; only the thread that acquired it may "
        "release it");
  remove_waiter(section, state.waiters, record);
  section.commit();
  if (claim_look(state.waiters)) bury_dead(section, state);
  serve(section, state);
}

std::uint64_t SharedLock::readers() const {
  block_.require("looking at a shared lock");
  Transaction section(block_.core());
  std::uint64_t count = 0;
  (void)find_waiter(section.region(), state_of(block_).waiters, [&](const Waiter& each) {
    count += holds(each) && !is_writer(each);
    return false;
  });
  return count;
}

bool SharedLock::locked() const {
  block_.require("looking at a shared lock");
  Transaction section(block_.core());
  return find_waiter(section.region(), state_of(block_).waiters,
                     [](const Waiter& each) { return holds(each) && is_writer(each); }) != 0;
}

Handle SharedLock::handle() const {
  block_.require("taking the handle of a shared lock");
  return block_.handle();
}

std::ostream& operator<<(std::ostream& out, const SharedLock& lock) {
  if (!lock.block_) return out << "<SharedLock, closed>";
  if (lock.locked()) return out << "<SharedLock, written>";
  return out << fmt::format("<SharedLock, {} readers>", lock.readers());
}

}  // namespace polyproc::inline v0
