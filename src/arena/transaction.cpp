// SPDX-License-Identifier: MIT
#include "arena/transaction.hpp"

#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>

namespace polyproc::inline v0 {
namespace {

void put_back(const Region& region, const JournalEntry& entry) {
  const std::uint64_t offset = entry.word >> 1;
  if ((entry.word & 1) != 0) {
    region.at<std::atomic<std::uint32_t>>(offset).store(static_cast<std::uint32_t>(entry.old),
                                                        std::memory_order_relaxed);
  } else {
    region.at<std::atomic<std::uint64_t>>(offset).store(entry.old, std::memory_order_relaxed);
  }
}

// Idempotent: whoever dies in here leaves the same log to the next.
void roll_back(const Region& region) {
  JournalArea& journal = region.header().journal;
  for (std::uint32_t i = journal.count.load(std::memory_order_relaxed); i-- > 0;) {
    put_back(region, journal.entries.at(i));
    POLYPROC_FAIL_POINT("transaction.rolling_back");
  }
  std::atomic_signal_fence(std::memory_order_seq_cst);
  journal.count.store(0, std::memory_order_release);
}

}  // namespace

Transaction::Transaction(ArenaCore& core) : core_(core) {
  core.require_attached();
  const Claim claim = acquire(header().lock, core, Deadline::never(), kInternalPatience);
  if (claim == Claim::taken_from_dead) roll_back(region());
}

Transaction::~Transaction() {
  if (header().journal.count.load(std::memory_order_relaxed) != 0) roll_back(region());
  release(header().lock);
}

void Transaction::log(std::uint64_t word, std::uint64_t old) {
  JournalArea& journal = header().journal;
  const std::uint32_t count = journal.count.load(std::memory_order_relaxed);
  if (count >= kJournalEntries)
    throw CorruptArena("arena: a critical section changes more words than its log holds");
  journal.entries[count] = {word, old};
  std::atomic_signal_fence(std::memory_order_seq_cst);
  journal.count.store(count + 1, std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  POLYPROC_FAIL_POINT("transaction.logged");
}

void Transaction::commit() noexcept {
  POLYPROC_FAIL_POINT("transaction.before_commit");
  std::atomic_signal_fence(std::memory_order_seq_cst);
  header().journal.count.store(0, std::memory_order_release);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  POLYPROC_FAIL_POINT("transaction.committed");
}

}  // namespace polyproc::inline v0
