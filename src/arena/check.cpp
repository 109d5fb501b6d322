// SPDX-License-Identifier: MIT
// The consistency check: every page of the heap lies in exactly one run, lists and counters agree with what is there.
#include <set>

#include <fmt/format.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/os/error.hpp>

#include "arena/block_heap.hpp"

namespace polyproc::inline v0 {
namespace {

class Checker {
 public:
  explicit Checker(Transaction& section)
      : header_(section.header()), region_(section.region()), core_(section.core()) {}

  ArenaReport run() {
    try {
      walk_heap();
      walk_free_lists();
      walk_slabs();
      compare_counters();
      walk_entries();
    } catch (const Error& error) {
      report_.errors.emplace_back(error.what());
    }
    return report_;
  }

 private:
  template <class... Args>
  void expect(bool ok, fmt::format_string<Args...> what, Args&&... args) {
    if (!ok) report_.errors.push_back(fmt::format(what, std::forward<Args>(args)...));
  }

  void walk_heap() {
    for (std::uint64_t page = header_.first_page; page < header_.end_page;) {
      const PageDescriptor& run = region_.page(page);
      expect(run.state != PageState::inner && run.order < kOrders, "page {} begins no run", page);
      if (run.state == PageState::inner || run.order >= kOrders) return;
      const std::uint64_t pages = std::uint64_t{1} << run.order;
      expect(page % pages == 0 && page + pages <= header_.end_page, "run at page {} is misplaced", page);
      expect(run.committed <= pages && run.accounted <= pages, "run at page {} has more memory than pages",
             page);
      count_run(page, run);
      page += pages;
      report_.pages += pages;
    }
  }

  void count_run(std::uint64_t page, const PageDescriptor& run) {
    if (run.state == PageState::free_run) {
      free_.insert(page);
      warm_ += run.committed;
      return;
    }
    used_ += run.accounted;
    if (run.state == PageState::large_block) check_block(page * kPageSize);
    if (run.state == PageState::slab) slabs_.insert(page);
  }

  void check_block(std::uint64_t offset) {
    const auto& block = region_.at<BlockHeader>(offset);
    expect(block.state.load() >> 32 == kBlockMagic, "block at {} has no header", offset);
    ++report_.blocks;
  }

  void walk_free_lists() {
    std::size_t listed = 0;
    for (unsigned order = 0; order < kOrders; ++order) {
      walk_free_list(order, header_.free_runs[order], true, listed);
      walk_free_list(order, header_.cold_runs[order], false, listed);
    }
    expect(listed == free_.size(), "{} runs are free, {} are listed", free_.size(), listed);
  }

  void walk_free_list(unsigned order, std::uint32_t first, bool warm, std::size_t& listed) {
    std::uint32_t prev = 0;
    for (std::uint32_t page = first; page != 0; page = region_.page(page).next) {
      const PageDescriptor& run = region_.page(page);
      expect(free_.contains(page) && run.order == order, "free list {} holds page {}, which is not free",
             order, page);
      expect((run.committed != 0) == warm, "page {} is in the wrong one of the free lists {}", page, order);
      expect(run.prev == prev, "free list {} is torn at page {}", order, page);
      prev = page;
      if (++listed > free_.size()) return expect(false, "free list {} runs in a circle", order);
    }
  }

  void walk_slabs() {
    std::set<std::uint64_t> listed;
    for (unsigned size_class = 0; size_class < kSizeClasses; ++size_class) {
      for (std::uint32_t page = header_.slabs[size_class]; page != 0; page = region_.page(page).next) {
        if (!listed.insert(page).second) return expect(false, "slab list {} runs in a circle", size_class);
        expect(slabs_.contains(page), "slab list {} holds page {}, which is no slab", size_class, page);
      }
    }
    for (const std::uint64_t page : slabs_) check_slab(page, listed.contains(page));
  }

  void check_slab(std::uint64_t page, bool listed) {
    const SlabWord word = SlabWord::unpack(region_.page(page).slab);
    if (word.size_class >= kSizeClasses) return expect(false, "slab at page {} has no class", page);
    const std::uint64_t places = places_in_slab(word.size_class);
    std::uint64_t used = 0;
    for (std::uint64_t i = 0; i < word.ever_used; ++i) {
      const auto& block = region_.at<BlockHeader>(page * kPageSize + i * kClassBytes[word.size_class]);
      used += block.state.load() >> 32 == kBlockMagic;
    }
    std::uint64_t freed = 0;
    for (std::uint64_t i = word.free; i != 0 && freed <= places; ++freed) {
      i = region_.at<BlockHeader>(page * kPageSize + (i - 1) * kClassBytes[word.size_class]).size;
    }
    expect(used == word.used, "slab at page {} counts {} blocks and has {}", page, word.used, used);
    expect(used + freed == word.ever_used, "slab at page {} lost a free place", page);
    expect(listed == (word.used < places), "slab at page {} is {}listed with {} of {} places used", page,
           listed ? "" : "not ", word.used, places);
    report_.blocks += used;
  }

  void compare_counters() {
    expect(warm_ == header_.warm_pages, "{} pages are warm, the arena counts {}", warm_, header_.warm_pages);
    expect(used_ + warm_ == header_.accounted_pages, "{} pages have memory, the arena counts {}",
           used_ + warm_, header_.accounted_pages);
    expect(report_.blocks == header_.used_blocks, "there are {} blocks, the arena counts {}", report_.blocks,
           header_.used_blocks);
  }

  void walk_entries() {
    for (std::uint64_t i = 1; i < header_.process_slots; ++i) {
      const ProcessSlot& slot = core_.process_slot(i);
      if (slot.state.load() == SlotState::free) continue;
      for (std::uint64_t at = slot.entries; at != 0;
           at = region_.at<EntryChunk>(at + kBlockHeaderBytes).next) {
        for (const Entry& entry : region_.at<EntryChunk>(at + kBlockHeaderBytes).entries)
          check_entry(i, entry.block.load());
      }
    }
  }

  void check_entry(std::uint64_t slot, std::uint64_t word) {
    if (word == 0 || (word & kEntryKindMask) != static_cast<std::uint64_t>(EntryKind::held)) return;
    const auto& block = region_.at<BlockHeader>(word);
    const std::uint64_t state = block.state.load();
    expect(state >> 32 == kBlockMagic && static_cast<std::uint32_t>(state) != 0,
           "process slot {} holds a block at {} that does not exist", slot, word);
  }

  const ArenaHeader& header_;
  const Region& region_;
  const ArenaCore& core_;
  ArenaReport report_;
  std::set<std::uint64_t> free_;
  std::set<std::uint64_t> slabs_;
  std::uint64_t warm_ = 0;
  std::uint64_t used_ = 0;
};

}  // namespace

ArenaReport Arena::check() const {
  Transaction section(*core_);
  return Checker(section).run();
}

}  // namespace polyproc::inline v0
