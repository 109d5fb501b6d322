// SPDX-License-Identifier: MIT
// Permits are taken and given by compare-and-swap, and who waits competes for them, until somebody's patience ends: it enters the
// list and closes the short way, and permits are handed over, in transactions, until the list is served.
#include <polyproc/sync/semaphore.hpp>

#include <algorithm>
#include <ostream>
#include <vector>

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

void wake(const BlockRef& block, std::uint64_t permits) noexcept {
  SemaphoreState& state = state_of(block);
  ArenaHeader& arena = block.core().header();
  if (wake_sleepers(state.sleepers, arena.fenced != 0, permits))
    ring_watchers(arena, state.sleepers, state.watchers);
}

// The short way is closed while this lives; when it ends it has handed over what there is, and opens it when nobody waits in turn.
class HandingOver {
 public:
  explicit HandingOver(const BlockRef& block)
      : block_(block), state_(state_of(block)), section_(block.core()) {
    state_.word.fetch_or(kHandedOver);
    POLYPROC_FAIL_POINT("semaphore.closed");
  }
  HandingOver(const HandingOver&) = delete;
  HandingOver& operator=(const HandingOver&) = delete;

  [[nodiscard]] Transaction& section() noexcept { return section_; }
  void add(std::uint64_t permits) { section_.set(state_.word, state_.word.load() + permits * kOnePermit); }
  [[nodiscard]] bool is_told(std::uint64_t record) const {
    return waiter_at(section_.region(), record).told.load() != 0;
  }
  void remove(std::uint64_t record) { remove_waiter(section_, state_.waiters, record); }

  void run() {
    const Region& region = section_.region();
    const auto is_dead = [&](const Waiter& each) { return !block_.core().alive(each.process); };
    while (const std::uint64_t dead = find_waiter(region, state_.waiters, is_dead)) {
      if (is_told(dead)) add(1);
      remove(dead);
      section_.commit();
    }
    const auto waits = [](const Waiter& each) { return each.told.load() == 0; };
    std::uint64_t next = 0;
    while ((next = find_waiter(region, state_.waiters, waits)) != 0 && state_.word.load() >= kOnePermit) {
      section_.set(waiter_at(region, next).told, 1);
      section_.set(state_.word, state_.word.load() - kOnePermit);
      section_.commit();
      wake_waiter(block_.core(), next);
    }
    if (next != 0) return;
    POLYPROC_FAIL_POINT("semaphore.served");
    const std::uint64_t left = state_.word.fetch_and(~kHandedOver) / kOnePermit;
    if (left != 0) wake(block_, left);
  }

 private:
  const BlockRef& block_;
  SemaphoreState& state_;
  Transaction section_;
};

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
  SemaphoreState& state = state_of(block_);
  if (take_free(state)) return true;
  if (deadline.is_now()) {
    if ((state.word.load() & kHandedOver) == 0) return false;
    HandingOver(block_).run();  // those whose turn it was may be dead
    return take_free(state);
  }
  const Deadline patience = std::min(deadline, Deadline::after(kSemaphorePatience));
  while (!patience.passed()) {
    const std::uint32_t announced = announce_sleeper(state.sleepers, block_.core().header().fenced != 0);
    if (take_free(state)) return true;
    sleep_announced(state.sleepers, announced, patience);
    if (take_free(state)) return true;
  }
  const std::uint64_t record = take_in_turn(deadline);
  if (record == 0) return false;
  HandingOver turn(block_);
  turn.remove(record);
  turn.section().commit();
  turn.run();
  return true;
}

// The record that has the permit; 0 at the deadline.
std::uint64_t SemaphoreHandle::take_in_turn(Deadline deadline) {
  std::uint64_t record = 0;
  for (;;) {
    {
      HandingOver turn(block_);
      if (record == 0) {
        record = add_waiter(turn.section(), state_of(block_).waiters);
        turn.section().commit();
      }
      turn.run();
      if (turn.is_told(record)) return record;
      if (deadline.passed()) {
        turn.remove(record);
        turn.section().commit();
        turn.run();
        return 0;
      }
    }
    sleep_as(block_.core(), record, deadline);
  }
}

void SemaphoreHandle::release(std::uint64_t permits) {
  block_.require("releasing a semaphore");
  if (permits == 0) throw InvalidArgument("releasing a semaphore: of no permits at all; it is at least 1");
  SemaphoreState& state = state_of(block_);
  std::uint64_t word = state.word.load();
  while ((word & kHandedOver) == 0) {
    require_room(state, word, permits);
    if (!state.word.compare_exchange_weak(word, word + permits * kOnePermit)) continue;
    POLYPROC_FAIL_POINT("semaphore.released");
    return wake(block_, permits);
  }
  HandingOver turn(block_);
  require_room(state, state.word.load(), permits);
  turn.add(permits);
  turn.section().commit();
  turn.run();
}

std::optional<SemaphoreHandle::Permit> SemaphoreHandle::hold_until(Deadline deadline) {
  block_.require("acquiring a semaphore");
  const std::uint64_t record = take_in_turn(deadline);
  if (record == 0) return std::nullopt;
  return Permit(block_, record);
}

void SemaphoreHandle::Permit::release() noexcept {
  const std::uint64_t record = std::exchange(record_, 0);
  if (record == 0) return;
  try {
    HandingOver turn(block_);
    turn.remove(record);
    turn.add(1);
    turn.section().commit();
    turn.run();
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
  return Waitable(WatchedObject{&block_.core(), &state.sleepers, &state.watchers, has_permit, &state});
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
