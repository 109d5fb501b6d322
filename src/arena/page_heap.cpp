// SPDX-License-Identifier: MIT
#include "arena/page_heap.hpp"

#include <algorithm>
#include <bit>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>

namespace polyproc::inline v0 {
namespace {

// Up to this many pages are reserved inside the critical section: one system call of some ten microseconds.
constexpr std::uint64_t kStepPages = 64;
// Free memory that is kept for reuse: this much, or half of what is in use.
constexpr std::uint64_t kKeepWarmPages = 700;
// Pages given back in one critical section: one system call of some ten microseconds.
constexpr std::uint64_t kGivePages = 256;

unsigned order_for(std::uint64_t pages) { return static_cast<unsigned>(std::bit_width(pages - 1)); }
std::uint64_t pages_in(unsigned order) { return std::uint64_t{1} << order; }

}  // namespace

PageHeap::Run PageHeap::allocate(std::uint64_t pages, PageState use) {
  const unsigned order = order_for(pages);
  if (order >= kOrders) charge(section_.header().limit_pages + 1);
  const std::uint64_t page = take(order);
  PageDescriptor& run = section_.region().page(page);
  const std::uint64_t committed = run.committed;
  const std::uint64_t missing = pages > committed ? pages - committed : 0;
  charge(missing);
  section_.set(section_.header().warm_pages, section_.header().warm_pages - committed);
  section_.set(run.state, use);
  section_.set(run.accounted, static_cast<std::uint32_t>(committed + missing));
  if (missing > 0 && missing <= kStepPages) {
    section_.region().commit((page + committed) * kPageSize, missing * kPageSize);
    section_.set(run.committed, run.accounted);
  }
  return {page, std::min(committed, pages), missing > kStepPages};
}

void PageHeap::charge(std::uint64_t pages) {
  ArenaHeader& header = section_.header();
  if (limited_ && (pages > header.limit_pages || header.accounted_pages > header.limit_pages - pages)) {
    throw ArenaFull(
        fmt::format("allocation of {} KiB in {}: {} of {} KiB are in use; free objects or create the arena "
                    "with a higher limit",
                    pages * kPageSize / 1024, section_.region().name(),
                    header.accounted_pages * kPageSize / 1024, header.limit_pages * kPageSize / 1024));
  }
  section_.set(header.accounted_pages, header.accounted_pages + pages);
}

// A free run of exactly this order, off its list.
std::uint64_t PageHeap::take(unsigned order) {
  ArenaHeader& header = section_.header();
  unsigned found = order;
  while (found < kOrders && header.free_runs[found] == 0) ++found;
  if (found == kOrders) {
    extend(order);
    for (found = order; header.free_runs[found] == 0;) ++found;
  }
  const std::uint64_t page = header.free_runs[found];
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
    for (unsigned o = order; o < kOrders; ++o) large_enough |= header.free_runs[o] != 0;
    section_.commit();
  }
}

void PageHeap::push(std::uint64_t page, unsigned order, std::uint64_t committed) {
  const Region& region = section_.region();
  std::uint32_t& head = section_.header().free_runs[order];
  PageDescriptor& run = region.page(page);
  // Warm runs stand before cold ones.
  const bool behind = committed == 0 && head != 0 && region.page(head).committed != 0;
  const std::uint32_t prev = behind ? head : 0;
  const std::uint32_t next = behind ? region.page(head).next : head;
  const auto here = static_cast<std::uint32_t>(page);
  section_.set(run.state, PageState::free_run);
  section_.set(run.order, order);
  section_.set(run.committed, static_cast<std::uint32_t>(committed));
  section_.set(run.next, next);
  section_.set(run.prev, prev);
  if (next != 0) section_.set(region.page(next).prev, here);
  section_.set(prev != 0 ? region.page(prev).next : head, here);
}

void PageHeap::unlink(std::uint64_t page) {
  const Region& region = section_.region();
  const PageDescriptor& run = region.page(page);
  if (run.next != 0) section_.set(region.page(run.next).prev, run.prev);
  section_.set(run.prev != 0 ? region.page(run.prev).next : section_.header().free_runs.at(run.order),
               run.next);
}

void PageHeap::release(std::uint64_t page) {
  ArenaHeader& header = section_.header();
  PageDescriptor& run = section_.region().page(page);
  const std::uint64_t committed = std::min(run.committed, run.accounted);
  section_.set(header.accounted_pages, header.accounted_pages - (run.accounted - committed));
  section_.set(header.warm_pages, header.warm_pages + committed);
  section_.set(run.accounted, 0);
  insert_merged(page, run.order, committed);
}

void PageHeap::insert_merged(std::uint64_t page, unsigned order, std::uint64_t committed) {
  ArenaHeader& header = section_.header();
  const Region& region = section_.region();
  for (; order + 1 < kOrders; ++order) {
    const std::uint64_t buddy = page ^ pages_in(order);
    if (buddy < header.first_page || buddy + pages_in(order) > header.end_page) break;
    const PageDescriptor& other = region.page(buddy);
    if (other.state != PageState::free_run || other.order != order) break;
    unlink(buddy);
    const bool buddy_is_left = buddy < page;
    const std::uint64_t left = std::min(page, buddy);
    const std::uint64_t right = std::max(page, buddy);
    std::uint64_t left_committed = buddy_is_left ? other.committed : committed;
    std::uint64_t right_committed = buddy_is_left ? committed : other.committed;
    if (right_committed != 0 && left_committed < pages_in(order)) {  // only a leading part may have memory
      if (!region.punch(right * kPageSize, right_committed * kPageSize)) {
        push(buddy, order, other.committed);
        break;
      }
      section_.set(header.accounted_pages, header.accounted_pages - right_committed);
      section_.set(header.warm_pages, header.warm_pages - right_committed);
      right_committed = 0;
    }
    section_.set(region.page(right).state, PageState::inner);
    page = left;
    committed = left_committed + right_committed;
  }
  push(page, order, committed);
}

bool PageHeap::has_surplus(const Region& region) noexcept {
  ArenaHeader& header = region.header();
  const std::uint64_t warm = std::atomic_ref(header.warm_pages).load(std::memory_order_relaxed);
  const std::uint64_t all = std::atomic_ref(header.accounted_pages).load(std::memory_order_relaxed);
  return warm > std::max(kKeepWarmPages, all > warm ? (all - warm) / 2 : 0);
}

// From the end of the largest warm run: small ones are likelier to be wanted again.
bool PageHeap::give_back_some(bool all) {
  const Region& region = section_.region();
  ArenaHeader& header = section_.header();
  if (!all && !has_surplus(region)) return false;
  for (unsigned order = kOrders; order-- > 0;) {
    const std::uint32_t page = header.free_runs[order];
    if (page == 0 || region.page(page).committed == 0) continue;  // warm runs stand first
    PageDescriptor& run = region.page(page);
    const std::uint64_t pages = std::min<std::uint64_t>(run.committed, kGivePages);
    const std::uint64_t rest = run.committed - pages;
    if (!region.punch((page + rest) * kPageSize, pages * kPageSize)) return false;
    POLYPROC_FAIL_POINT("page_heap.punched");
    section_.set(header.accounted_pages, header.accounted_pages - pages);
    section_.set(header.warm_pages, header.warm_pages - pages);
    unlink(page);
    push(page, order, rest);
    section_.commit();
    return true;
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
