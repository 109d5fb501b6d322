// SPDX-License-Identifier: MIT
// Making arenas: the anonymous ones, and the family's.
#include <polyproc/arena/arena.hpp>

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <mutex>
#include <random>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>

#include "arena/create.hpp"
#include "arena/fork.hpp"
#include "arena/page_heap.hpp"
#include "os/membarrier.hpp"
#include "os/memory.hpp"

namespace polyproc::inline v0 {
namespace {

constexpr std::uint64_t kLeastReserve = std::uint64_t{4} << 20;

struct Family {
  std::mutex mutex;
  ArenaOptions options;
  std::shared_ptr<ArenaCore> core;
};

// Never destroyed: objects with static storage may use it to the very end.
Family& the_family() {
  static Family& one = *new Family;
  return one;
}

std::uint64_t random_id() {
  std::random_device device;
  std::uint64_t id = 0;
  while (id == 0) id = std::uint64_t{device()} << 32 | device();
  return id;
}

std::uint64_t choose_reserve(const ArenaOptions& options) {
  if (options.reserve == 0) return Region::default_reserve();
  constexpr std::uint64_t kMost = std::uint64_t{1} << 44;
  if (options.reserve < kLeastReserve || options.reserve > kMost) {
    throw InvalidArgument(
        fmt::format("creating an arena: a reserve of {} bytes is outside 4 MiB to 16 TiB", options.reserve));
  }
  return (options.reserve + kPageSize - 1) / kPageSize * kPageSize;
}

}  // namespace

std::unique_ptr<Region> make_region(os::Fd fd, const ArenaOptions& options, const std::string& name,
                                    bool on_file_system) {
  const std::uint64_t reserve = choose_reserve(options);
  const std::uint64_t limit = options.limit != 0 ? options.limit : os::available_memory() / 10 * 9;
  const std::uint64_t table =
      (reserve / kPageSize * sizeof(PageDescriptor) + kPageSize - 1) / kPageSize * kPageSize;
  auto region = std::make_unique<Region>(std::move(fd), reserve, name, on_file_system);
  region->commit(0, sizeof(ArenaHeader));
  region->require_file_size(kHeaderBytes + table);
  // The descriptors between here and the heap are holes until they are used; the heap begins behind them.
  if (::ftruncate(region->fd(), static_cast<off_t>(kHeaderBytes + table)) != 0)
    os::throw_os_error(errno, "sizing", name);
  ArenaHeader& header = region->header();
  header.layout_version = kLayoutVersion;
  header.word_size = sizeof(void*);
  header.page_size = kPageSize;
  header.lock_abi = kLockAbi;
  header.fenced = os::register_membarrier() ? 0 : 1;
  header.id = random_id();
  header.reserve = reserve;
  header.limit_pages = limit / kPageSize;
  header.first_page = header.end_page = (kHeaderBytes + table) / kPageSize;
  header.next_generation = 1;
  header.magic.store(kArenaMagic, std::memory_order_release);
  return region;
}

Arena Arena::anonymous(const ArenaOptions& options) {
  const std::string name = "anonymous arena";
  os::Fd fd(os::checked("memfd_create", name,
                        [] { return ::memfd_create("polyproc", MFD_CLOEXEC | MFD_ALLOW_SEALING); }));
  auto region = make_region(std::move(fd), options, name, false);
  os::checked("sealing against shrinking", name,
              [&] { return ::fcntl(region->fd(), F_ADD_SEALS, F_SEAL_SHRINK); });
  return Arena(ArenaCore::attach(std::move(region)));
}

Arena Arena::family() {
  Family& family = the_family();
  std::lock_guard guard(family.mutex);
  if (!family.core) family.core = anonymous(family.options).core_;
  return Arena(family.core);
}

void Arena::configure_family(const ArenaOptions& options) {
  Family& family = the_family();
  std::lock_guard guard(family.mutex);
  if (family.core)
    throw UsageError(
        "configuring the family's arena: it is in use already; do it before the first shared object");
  family.options = options;
}

void join_family(std::shared_ptr<ArenaCore> core) {
  Family& family = the_family();
  std::lock_guard guard(family.mutex);
  if (family.core)
    throw UsageError(
        "joining the parent's arena: this process has used one of its own already; call init first");
  family.core = std::move(core);
}

void lock_family_for_fork() { the_family().mutex.lock(); }
void unlock_family_after_fork() { the_family().mutex.unlock(); }

std::uint64_t Arena::id() const { return core_->header().id; }

std::string Arena::name() const { return core_->region().name(); }

ArenaStats Arena::stats() const {
  Transaction section(*core_);
  const ArenaHeader& header = core_->header();
  std::uint64_t processes = 0;
  for (std::uint64_t i = 1; i < header.process_slots; ++i)
    processes += core_->process_slot(i).state.load() != SlotState::free;
  return {header.limit_pages * kPageSize, (header.accounted_pages - header.warm_pages) * kPageSize,
          header.warm_pages * kPageSize, header.used_blocks, processes};
}

std::size_t Arena::recover() const {
  const std::size_t dead = core_->recover();
  for (bool more = true; more;) {
    Transaction section(*core_);
    more = PageHeap(section).give_back_some(true);
  }
  return dead;
}

}  // namespace polyproc::inline v0
