// SPDX-License-Identifier: MIT
// Runs of pages: a buddy allocator over the arena's address space. Address space is plentiful and memory is not, so
// a run of 2^order pages has memory behind only its first `committed` pages. Free runs that have memory ("warm") are
// reused first; callers give back what is too much (give_back_some).
#pragma once

#include <cstdint>

#include "arena/transaction.hpp"

namespace polyproc::inline v0 {

class PageHeap {
 public:
  explicit PageHeap(Transaction& section) noexcept : section_(section) {}
  // The arena's own tables are not refused by the limit: who is attached must always be known.
  void ignore_limit() noexcept { limited_ = false; }

  struct Run {
    std::uint64_t page;
    std::uint64_t dirty_pages;  // leading pages that may hold old contents; the others are zero
    bool needs_commit;          // its memory is to be reserved outside the critical section (commit_run)
  };
  // Must be the first change of its critical section, which it may commit in steps. Throws ArenaFull when the limit or the
  // address space does not allow it.
  [[nodiscard]] Run allocate(std::uint64_t pages, PageState use);
  void release(std::uint64_t page);

  // Pages that the arena may use beside those in use.
  [[nodiscard]] static std::uint64_t room(const Region& region) noexcept;
  // Is more free memory kept for reuse than is worth it?
  [[nodiscard]] static bool has_surplus(const Region& region) noexcept;
  // Gives a bounded amount of free memory back to the system; false when there is none (or, unless `all`, no surplus).
  // To be repeated, each time in a critical section of its own.
  bool give_back_some(bool all);

  // Outside a critical section, by the owner of a run of `pages`: puts memory behind it.
  static void commit_run(const Region& region, std::uint64_t page);

 private:
  [[nodiscard]] std::uint64_t take(unsigned order);
  void extend(unsigned order);
  void push(std::uint64_t page, unsigned order, std::uint64_t committed);
  void unlink(std::uint64_t page);
  void punch_rest(std::uint64_t page);
  // Free runs of one order that have memory are in one list, those that have none in another.
  [[nodiscard]] std::uint32_t& list_of(unsigned order, std::uint64_t committed) const;
  void insert_merged(std::uint64_t page, unsigned order, std::uint64_t committed);
  // Throws ArenaFull when so many pages more are beyond the limit.
  void require_room(std::uint64_t pages) const;
  void put_memory(std::uint64_t page, std::uint64_t pages);
  void note_taken(std::uint64_t pages) noexcept;
  [[nodiscard]] static std::uint64_t taken_lately(const ArenaHeader& header) noexcept;

  Transaction& section_;
  bool limited_ = true;
};

}  // namespace polyproc::inline v0
