// SPDX-License-Identifier: MIT
// An entry of this process's references, claimed before a critical section for use inside it, and given back, with
// what it then holds, at the end of the operation.
#pragma once

#include "arena/arena_core.hpp"

namespace polyproc::inline v0 {

class SpareEntry {
 public:
  explicit SpareEntry(ArenaCore& core) noexcept : core_(core) {}
  SpareEntry(const SpareEntry&) = delete;
  SpareEntry& operator=(const SpareEntry&) = delete;
  ~SpareEntry() {
    if (entry_ == nullptr) return;
    if (held_)
      core_.release_entry(entry_);
    else
      core_.return_entry(entry_);
  }

  [[nodiscard]] explicit operator bool() const noexcept { return entry_ != nullptr; }
  void claim() {
    if (entry_ == nullptr) entry_ = core_.claim_entry();
  }
  [[nodiscard]] Entry* entry() {
    claim();
    return entry_;
  }
  // It holds a reference now, which the destructor releases.
  void now_held() noexcept { held_ = true; }
  [[nodiscard]] Entry* release() noexcept {
    held_ = false;
    return std::exchange(entry_, nullptr);
  }
  void will_receive(std::uint64_t block, const std::atomic<std::uint64_t>& commit,
                    std::uint64_t position) noexcept {
    core_.will_receive(entry_, block, commit, position);
  }
  void received() noexcept {
    core_.received(entry_);
    held_ = true;
  }

 private:
  ArenaCore& core_;
  Entry* entry_ = nullptr;
  bool held_ = false;
};

}  // namespace polyproc::inline v0
