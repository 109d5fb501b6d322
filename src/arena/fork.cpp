// SPDX-License-Identifier: MIT
// The order of events at fork: the parent stops its other threads from touching the private tables, makes an embryo
// slot in every arena (alive through a descriptor that both sides inherit), forks; the parent closes its copy, the
// child takes the slot. A child that dies before it could is found dead by that descriptor like any other process.
#include "arena/fork.hpp"

#include <pthread.h>
#include <unistd.h>

#include <mutex>

#include <polyproc/os/error.hpp>

#include "arena/arena_core.hpp"
#include "arena/create.hpp"
#include "arena/lock_fd.hpp"
#include "arena/transaction.hpp"
#include "os/membarrier.hpp"

namespace polyproc::inline v0 {
namespace {

struct Registry {
  std::mutex mutex;
  std::vector<std::weak_ptr<ArenaCore>> cores;
  std::vector<std::shared_ptr<ArenaCore>> forking;
};

// Never destroyed: threads may end, and the host may fork, after static objects are gone.
Registry& registry() {
  static Registry& one = *new Registry;
  return one;
}

thread_local constinit ForkRecord* fork_record = nullptr;
thread_local constinit bool forking_outsider = false;

template <class Match>
std::shared_ptr<ArenaCore> find(Match match) noexcept {
  Registry& all = registry();
  std::lock_guard guard(all.mutex);
  for (const auto& weak : all.cores) {
    if (auto core = weak.lock(); core && match(*core)) return core;
  }
  return nullptr;
}

}  // namespace

void ArenaForks::before() {
  lock_family_for_fork();
  Registry& all = registry();
  all.mutex.lock();
  for (const auto& weak : all.cores) {
    if (auto core = weak.lock()) all.forking.push_back(std::move(core));
  }
  for (const auto& core : all.forking) core->before_fork();
  LockFd::hold_off();
}

void ArenaForks::in_parent() {
  LockFd::go_on();
  Registry& all = registry();
  for (const auto& core : all.forking) core->after_fork_in_parent();
  auto forked = std::move(all.forking);
  all.forking.clear();
  all.mutex.unlock();
  unlock_family_after_fork();
}

void ArenaForks::in_child() {
  LockFd::go_on();
  Registry& all = registry();
  ArenaCore::forget_thread_slots();
  for (const auto& core : all.forking) core->after_fork_in_child();
  if (!forking_outsider) LockFd::close_all_in_child();
  auto forked = std::move(all.forking);
  all.forking.clear();
  all.mutex.unlock();
  unlock_family_after_fork();
}

void handle_forks() {
  static const int once =
      ::pthread_atfork(&ArenaForks::before, &ArenaForks::in_parent, &ArenaForks::in_child);
  if (once != 0) os::throw_os_error(once, "pthread_atfork", "the arena's fork handlers");
}

std::shared_ptr<ArenaCore> register_core(const std::shared_ptr<ArenaCore>& core) {
  handle_forks();
  Registry& all = registry();
  std::lock_guard guard(all.mutex);
  std::erase_if(all.cores, [](const auto& weak) { return weak.expired(); });
  for (const auto& weak : all.cores) {
    if (auto known = weak.lock(); known && known->header().id == core->header().id) return known;
  }
  all.cores.push_back(core);
  return core;
}

std::shared_ptr<ArenaCore> find_core(std::uint64_t serial) noexcept {
  return find([&](const ArenaCore& core) { return core.serial() == serial; });
}

std::shared_ptr<ArenaCore> find_core_of_arena(std::uint64_t arena) noexcept {
  return find([&](const ArenaCore& core) { return core.header().id == arena; });
}

pid_t fork_outsider() {
  forking_outsider = true;
  const pid_t child = ::fork();
  if (child != 0) forking_outsider = false;  // the child's own children are outsiders, too
  return child;
}

void close_links() noexcept {
  Registry& all = registry();
  std::lock_guard guard(all.mutex);
  for (const auto& weak : all.cores) {
    if (const auto core = weak.lock()) (void)core->take_link();
  }
}

void record_forks(ForkRecord* record) noexcept { fork_record = record; }

void ArenaCore::before_fork() noexcept {
  try {
    if (!forking_outsider && !has_free_slot()) recover();  // rather than another table of slots
  } catch (const std::exception&) {
    // Then there will be another table.
  }
  local_.lock();
  try {
    if (identity() == kUnattached || forking_outsider) return;
    std::vector<std::uint64_t> blocks;
    blocks.reserve(holdings_.size());
    for (const auto& [offset, holding] : holdings_) blocks.push_back(offset);
    embryo_ = prepare_child(blocks);
    if (fork_record != nullptr) fork_record->embryos.push_back({weak_from_this(), embryo_.identity});
  } catch (const std::exception&) {
    embryo_ = {};  // the child says so when it first uses the arena (throw_unattached)
    if (fork_record != nullptr) fork_record->failure = std::current_exception();
  }
}

void ArenaCore::after_fork_in_parent() noexcept {
  embryo_ = {};
  local_.unlock();
}

void ArenaCore::after_fork_in_child() noexcept {
  os::register_membarrier();
  unadopted_.clear();
  free_entries_.clear();
  identity_.store(kUnattached);
  life_.forget();
  (void)own_link();
  if (embryo_.claim) take_place();
  embryo_ = {};
  local_.unlock();
}

// Without a claim to be alive the child must not have the place: others find that dead, and return what it holds.
void ArenaCore::take_place() noexcept {
  try {
    life_ = Life(embryo_.claim.get());
  } catch (const std::exception&) {
    if (fork_record != nullptr) fork_record->not_taken = std::current_exception();
    return;
  }
  identity_.store(embryo_.identity);
  free_entries_.swap(embryo_.free);
  auto entry = embryo_.entries.begin();
  for (const auto& [offset, holding] : holdings_) holding->entry = *entry++;
  describe_self(self());
}

}  // namespace polyproc::inline v0
