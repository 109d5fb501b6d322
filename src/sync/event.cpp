// SPDX-License-Identifier: MIT
#include <polyproc/sync/event.hpp>

#include <limits>
#include <ostream>

#include <polyproc/os/fail_point.hpp>

#include "arena/arena_core.hpp"
#include "sync/sleepers.hpp"
#include "sync/sync_states.hpp"
#include "sync/watch.hpp"

namespace polyproc::inline v0 {
namespace {

EventState& state_of(const BlockRef& block) noexcept { return *reinterpret_cast<EventState*>(block.data()); }

bool is_set_in(const void* state) noexcept {
  return (static_cast<const EventState*>(state)->word.load(std::memory_order_acquire) & 1) != 0;
}

BlockRef checked(BlockRef block) {
  check_type(block, BlockKind::event, {});
  return block;
}

}  // namespace

Event::Event(const Arena& arena)
    : block_(BlockRef::create(arena, BlockKind::event, {}, sizeof(EventState))) {}
Event::Event(const Arena& arena, const std::string& name)
    : block_(checked(arena.find_or_publish(name, [&] { return Event(arena).block(); }))) {}
Event Event::from_block(BlockRef block) { return Event(checked(std::move(block))); }

bool Event::is_set() const {
  block_.require("looking at an event");
  return is_set_in(&state_of(block_));
}

void Event::set() {
  block_.require("setting an event");
  EventState& state = state_of(block_);
  std::uint64_t word = state.word.load();
  do {
    if ((word & 1) != 0) break;
  } while (!state.word.compare_exchange_weak(word, word + 3));
  POLYPROC_FAIL_POINT("event.set");
  ArenaHeader& arena = block_.core().header();
  if (wake_sleepers(state.sleepers, arena.fenced != 0, std::numeric_limits<int>::max()))
    ring_watchers(arena, state.sleepers, state.watchers);
}

void Event::clear() {
  block_.require("clearing an event");
  state_of(block_).word.fetch_and(~std::uint64_t{1});
}

bool Event::wait_until(Deadline deadline) const {
  block_.require("waiting for an event");
  EventState& state = state_of(block_);
  const std::uint64_t begin = state.word.load();
  const auto was_set = [&] {
    const std::uint64_t word = state.word.load();
    return (word & 1) != 0 || word >> 1 != begin >> 1;
  };
  while (!was_set()) {
    if (deadline.passed()) return false;
    const std::uint32_t announced = announce_sleeper(state.sleepers, block_.core().header().fenced != 0);
    if (!was_set()) sleep_announced(state.sleepers, announced, deadline);
  }
  return true;
}

Waitable Event::waitable() const {
  block_.require("waiting for an event");
  EventState& state = state_of(block_);
  return Waitable(WatchedObject{&block_.core(), &state.sleepers, &state.watchers, is_set_in, &state});
}

Handle Event::handle() const {
  block_.require("taking the handle of an event");
  return block_.handle();
}

std::ostream& operator<<(std::ostream& out, const Event& event) {
  if (!event.block_) return out << "<Event, closed>";
  return out << (event.is_set() ? "<Event, set>" : "<Event, not set>");
}

}  // namespace polyproc::inline v0
