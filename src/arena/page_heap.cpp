// SPDX-License-Identifier: MIT
#include "arena/page_heap.hpp"

#include <algorithm>
#include <bit>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>

#include "os/clock.hpp"

namespace polyproc::inline v0 {
namespace {

// Up to this many pages are reserved inside the critical section: one system call of some ten microseconds.
constexpr std::uint64_t kStepPages = 64;
// Free memory that is kept for reuse: this much, and while memory is being taken, as much as was taken lately.
constexpr std::uint64_t kKeepWarmPages = 256;
constexpr std::uint64_t kKeepBusyPages = 16 << 10;
constexpr std::uint64_t kLately = 20'000'000;  // nanoseconds
// Pages given back in one critical section: one system call of some ten microseconds.
constexpr std::uint64_t kGivePages = 256;

unsigned order_for(std::uint64_t pages) { return static_cast<unsigned>(std::bit_width(pages - 1)); }
std::uint64_t pages_in(unsigned order) { return std::uint64_t{1} << order; }

}  // namespace

PageHeap::Run PageHeap::allocate(std::uint64_t pages, PageState use) {
  const unsigned order = order_for(pages);
  if (order >= kOrders) require_room(section_.header().limit_pages + 1);
  const std::uint64_t page = take(order);
  PageDescriptor& run = section_.region().page(page);
  const std::uint64_t committed = run.committed;
  const std::uint64_t missing = pages > committed ? pages - committed : 0;
  require_room(missing);
  // The first page gets a header in this section, whatever the size.
  if (const std::uint64_t now = missing <= kStepPages ? missing : committed == 0; now > 0)
    put_memory(page, now);
  section_.set(section_.header().accounted_pages,
               section_.header().accounted_pages + (committed + missing - run.committed));
  section_.set(section_.header().warm_pages, section_.header().warm_pages - run.committed);
  section_.set(run.state, use);
  section_.set(run.accounted, static_cast<std::uint32_t>(committed + missing));
  note_taken(pages);
  return {page, std::min(committed, pages), missing > kStepPages};
}

// Hints, so not undone: the pages taken in this span of time and in the one before.
void PageHeap::note_taken(std::uint64_t pages) noexcept {
  ArenaHeader& header = section_.header();
  const std::uint64_t now = os::monotonic_ns();
  const std::uint64_t age = now - header.span_began.load(std::memory_order_relaxed);
  const std::uint64_t taken = header.taken.load(std::memory_order_relaxed);
  if (age < kLately) return header.taken.store(taken + pages, std::memory_order_relaxed);
  header.taken_before.store(age < 2 * kLately ? taken : 0, std::memory_order_relaxed);
  header.taken.store(pages, std::memory_order_relaxed);
  header.span_began.store(now, std::memory_order_relaxed);
}

std::uint64_t PageHeap::taken_lately(const ArenaHeader& header) noexcept {
  const std::uint64_t age = os::monotonic_ns() - header.span_began.load(std::memory_order_relaxed);
  if (age >= 2 * kLately) return 0;
  const std::uint64_t before = age < kLately ? header.taken_before.load(std::memory_order_relaxed) : 0;
  return before + header.taken.load(std::memory_order_relaxed);
}

// Makes a run that was just taken a free one with more memory, for good, and takes it again. Without that step a section
// that is taken back would leave pages that have been written to, and that everybody thinks to be holes and zero.
void PageHeap::put_memory(std::uint64_t page, std::uint64_t pages) {
  ArenaHeader& header = section_.header();
  const PageDescriptor& run = section_.region().page(page);
  section_.region().commit((page + run.committed) * kPageSize, pages * kPageSize);
  section_.set(header.accounted_pages, header.accounted_pages + pages);
  section_.set(header.warm_pages, header.warm_pages + pages);
  push(page, run.order, run.committed + pages);
  section_.commit();
  unlink(page);
}

void PageHeap::require_room(std::uint64_t pages) const {
  const ArenaHeader& header = section_.header();
  if (limited_ && (pages > header.limit_pages || header.accounted_pages > header.limit_pages - pages)) {
    throw ArenaFull(
        fmt::format("allocation of {} KiB in {}: {} of {} KiB are in use; free objects or create the arena "
                    "with a higher limit",
                    pages * kPageSize / 1024, section_.region().name(),
                    header.accounted_pages * kPageSize / 1024, header.limit_pages * kPageSize / 1024));
  }
}

// A free run of exactly this order, off its list.
std::uint64_t PageHeap::take(unsigned order) {
  ArenaHeader& header = section_.header();
  unsigned found = order;
  const auto is_empty = [&](unsigned o) { return header.free_runs[o] == 0 && header.cold_runs[o] == 0; };
  while (found < kOrders && is_empty(found)) ++found;
  if (found == kOrders) {
    extend(order);
    for (found = order; is_empty(found);) ++found;
  }
  const std::uint64_t page = header.free_runs[found] != 0 ? header.free_runs[found] : header.cold_runs[found];
  unlink(page);
  PageDescriptor& run = section_.region().page(page);
  std::uint64_t committed = run.committed;
  while (found > order) {
    const std::uint64_t half = pages_in(--found);
    push(page + half, found, committed > half ? committed - half : 0);
    committed = std::min(committed, half);
  }
  section_.set(run.order, order);
  section_.set(run.committed, static_cast<std::uint32_t>(committed));
  return page;
}

// Adds address space at the heap's end until there is a free run of at least this order. Runs are aligned to their
// size, so the way to the next aligned place is added as smaller ones.
void PageHeap::extend(unsigned order) {
  ArenaHeader& header = section_.header();
  const Region& region = section_.region();
  const std::uint64_t last = header.reserve / kPageSize;
  for (bool large_enough = false; !large_enough;) {
    const std::uint64_t page = header.end_page;
    const auto step = std::min(order, static_cast<unsigned>(std::countr_zero(page)));
    if (pages_in(step) > last - page) {
      throw ArenaFull(fmt::format(
          "allocation of {} KiB in {}: its address space of {} KiB is used up; create the arena with a "
          "larger reserve",
          pages_in(order) * kPageSize / 1024, region.name(), header.reserve / 1024));
    }
    if (region.on_file_system()) {  // a full mount would end the process at the first touch
      region.commit(region.offset_of(&region.page(page)), pages_in(step) * sizeof(PageDescriptor));
    }
    section_.set(header.end_page, page + pages_in(step));
    insert_merged(page, step, 0);
    for (unsigned o = order; o < kOrders; ++o)
      large_enough |= header.free_runs[o] != 0 || header.cold_runs[o] != 0;
    section_.commit();
  }
}

void PageHeap::push(std::uint64_t page, unsigned order, std::uint64_t committed) {
  const Region& region = section_.region();
  std::uint32_t& head = list_of(order, committed);
  const std::uint32_t next = head;
  PageDescriptor& run = region.page(page);
  const auto here = static_cast<std::uint32_t>(page);
  section_.set(run.state, PageState::free_run);
  section_.set(run.order, order);
  section_.set(run.committed, static_cast<std::uint32_t>(committed));
  section_.set(run.next, next);
  section_.set(run.prev, 0);
  if (next != 0) section_.set(region.page(next).prev, here);
  section_.set(head, here);
}

std::uint32_t& PageHeap::list_of(unsigned order, std::uint64_t committed) const {
  ArenaHeader& header = section_.header();
  return committed != 0 ? header.free_runs.at(order) : header.cold_runs.at(order);
}

void PageHeap::unlink(std::uint64_t page) {
  const Region& region = section_.region();
  const PageDescriptor& run = region.page(page);
  if (run.next != 0) section_.set(region.page(run.next).prev, run.prev);
  section_.set(run.prev != 0 ? region.page(run.prev).next : list_of(run.order, run.committed), run.next);
  punch_rest(page);
}

// Memory beyond `committed` that a process was giving back when it was killed. Punching again does no harm.
void PageHeap::punch_rest(std::uint64_t page) {
  PageDescriptor& run = section_.region().page(page);
  if (run.accounted <= run.committed) return;  // as in every free run, but for that case
  const std::uint64_t rest = run.accounted - run.committed;
  if (!section_.region().punch((page + run.committed) * kPageSize, rest * kPageSize)) {
    throw ArenaFull(fmt::format("{}: the system does not take back {} KiB that a killed process gave up",
                                section_.region().name(), rest * kPageSize / 1024));
  }
  section_.set(run.accounted, 0);
}

void PageHeap::release(std::uint64_t page) {
  ArenaHeader& header = section_.header();
  PageDescriptor& run = section_.region().page(page);
  const std::uint64_t committed = std::min(run.committed, run.accounted);
  if (committed <
      run.accounted) {  // whoever was to put memory there may have died before it was known (commit_run)
    section_.region().punch((page + committed) * kPageSize, (run.accounted - committed) * kPageSize);
  }
  section_.set(header.accounted_pages, header.accounted_pages - (run.accounted - committed));
  section_.set(header.warm_pages, header.warm_pages + committed);
  section_.set(run.accounted, 0);
  insert_merged(page, run.order, committed);
}

void PageHeap::insert_merged(std::uint64_t page, unsigned order, std::uint64_t committed) {
  const ArenaHeader& header = section_.header();
  const Region& region = section_.region();
  for (; order + 1 < kOrders; ++order) {
    const std::uint64_t buddy = page ^ pages_in(order);
    if (buddy < header.first_page || buddy + pages_in(order) > header.end_page) break;
    const PageDescriptor& other = region.page(buddy);
    if (other.state != PageState::free_run || other.order != order) break;
    const bool buddy_is_left = buddy < page;
    const std::uint64_t left_committed = buddy_is_left ? other.committed : committed;
    const std::uint64_t right_committed = buddy_is_left ? committed : other.committed;
    // Only a leading part of a run may have memory: these two wait until the right one's has been given back.
    if (right_committed != 0 && left_committed < pages_in(order)) break;
    unlink(buddy);
    section_.set(region.page(std::max(page, buddy)).state, PageState::inner);
    page = std::min(page, buddy);
    committed = left_committed + right_committed;
  }
  push(page, order, committed);
}

std::uint64_t PageHeap::room(const Region& region) noexcept {
  ArenaHeader& header = region.header();
  const std::uint64_t warm = std::atomic_ref(header.warm_pages).load(std::memory_order_relaxed);
  const std::uint64_t all = std::atomic_ref(header.accounted_pages).load(std::memory_order_relaxed);
  const std::uint64_t used = all > warm ? all - warm : 0;
  return header.limit_pages > used ? header.limit_pages - used : 0;
}

bool PageHeap::has_surplus(const Region& region) noexcept {
  ArenaHeader& header = region.header();
  const std::uint64_t warm = std::atomic_ref(header.warm_pages).load(std::memory_order_relaxed);
  return warm > kKeepWarmPages && warm > std::min(kKeepBusyPages, taken_lately(header));
}

// From the end of the largest warm run: small ones are likelier to be wanted again.
bool PageHeap::give_back_some(bool all) {
  const Region& region = section_.region();
  ArenaHeader& header = section_.header();
  if (!all && !has_surplus(region)) return false;
  for (unsigned order = kOrders; order-- > 0;) {
    const std::uint32_t page = header.free_runs[order];
    if (page == 0) continue;
    PageDescriptor& run = region.page(page);
    const std::uint64_t pages = std::min<std::uint64_t>(run.committed, kGivePages);
    const std::uint64_t rest = run.committed - pages;
    // In two steps, since a punch cannot be taken back: pages that are counted as memory must be there, else a full
    // mount would end whoever touches them, and holes must be zero. In between the free run's `accounted` says how far
    // it may hold memory still, and whoever takes the run finishes the work (punch_rest).
    section_.set(header.accounted_pages, header.accounted_pages - pages);
    section_.set(header.warm_pages, header.warm_pages - pages);
    unlink(page);
    push(page, order, rest);
    section_.set(run.accounted, static_cast<std::uint32_t>(rest + pages));
    section_.commit();
    POLYPROC_FAIL_POINT("page_heap.before_punch");
    const bool punched = region.punch((page + rest) * kPageSize, pages * kPageSize);
    POLYPROC_FAIL_POINT("page_heap.punched");
    section_.set(run.accounted, 0);
    unlink(page);
    if (punched) {
      insert_merged(page, order, rest);
    } else {
      section_.set(header.accounted_pages, header.accounted_pages + pages);
      section_.set(header.warm_pages, header.warm_pages + pages);
      push(page, order, rest + pages);
    }
    section_.commit();
    return punched;
  }
  return false;
}

void PageHeap::commit_run(const Region& region, std::uint64_t page) {
  PageDescriptor& run = region.page(page);
  region.commit((page + run.committed) * kPageSize, (run.accounted - run.committed) * kPageSize);
  POLYPROC_FAIL_POINT("page_heap.reserved");
  std::atomic_ref(run.committed).store(run.accounted, std::memory_order_release);
}

}  // namespace polyproc::inline v0
