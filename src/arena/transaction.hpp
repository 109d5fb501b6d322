// SPDX-License-Identifier: MIT
// The arena's critical section. It holds the arena's lock and writes shared words through an undo log, so that a
// process killed at any instruction leaves either all of a section's changes or none: the next holder of the lock puts
// back what the dead one had changed since its last commit.
//
// Order of stores: log entry, log count, word. A word is therefore never changed before its old value can be found.
// commit() is one store: the count becomes 0. A killed process's stores are all performed, in its program order, when
// the kernel reports its death, so compiler fences suffice here.
#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>

#include "arena/arena_core.hpp"

namespace polyproc::inline v0 {

class Transaction {
 public:
  // Throws UsageError in a forked child that could not be attached: nobody would take it for alive in here.
  explicit Transaction(ArenaCore& core);
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  // Takes back what was not committed, and unlocks.
  ~Transaction();

  [[nodiscard]] ArenaCore& core() const noexcept { return core_; }
  [[nodiscard]] const Region& region() const noexcept { return core_.region(); }
  [[nodiscard]] ArenaHeader& header() const noexcept { return core_.header(); }

  template <class T>
  void set(T& word, std::type_identity_t<T> value) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8);
    std::uint64_t old = 0;
    __builtin_memcpy(&old, &word, sizeof(T));
    log(core_.region().offset_of(&word) << 1 | (sizeof(T) == 4), old);
    std::atomic_ref(word).store(value, std::memory_order_release);  // some are read without the lock
  }
  template <class T>
  void set(std::atomic<T>& word, std::type_identity_t<T> value) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8);
    const T old = word.load(std::memory_order_relaxed);
    log(core_.region().offset_of(&word) << 1 | (sizeof(T) == 4), static_cast<std::uint64_t>(old));
    word.store(value, std::memory_order_release);
  }

  // What was set since the last commit stands.
  void commit() noexcept;

 private:
  void log(std::uint64_t word, std::uint64_t old);

  ArenaCore& core_;
};

}  // namespace polyproc::inline v0
