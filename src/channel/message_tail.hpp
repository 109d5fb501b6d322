// SPDX-License-Identifier: MIT
// What of a long message does not fit into its packet: memory of its own, a memfd, which travels as a descriptor in the
// packet. The kernel frees it when nobody has it any more, however the processes end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include <polyproc/os/fd.hpp>

#include "arena/lock_fd.hpp"
#include "channel/kept_tails.hpp"

namespace polyproc::inline v0 {

// A tail that is being sent.
class StoredTail {
 public:
  // Children that other threads fork meanwhile do not keep it. Throws OsError.
  StoredTail(KeptTails& tails, std::span<const std::byte> bytes);
  StoredTail(const StoredTail&) = delete;
  StoredTail& operator=(const StoredTail&) = delete;
  ~StoredTail();

  [[nodiscard]] int descriptor() const noexcept { return kept_ != nullptr ? kept_->file.get() : own_.get(); }
  void was_sent() noexcept { sent_ = true; }

 private:
  std::optional<Taking> taking_;
  KeptTails::Sent* kept_ = nullptr;
  LockFd own_;
  bool sent_ = false;
};

// Throws DecodeError when it does not hold so many bytes.
void check_tail(const os::Fd& tail, std::uint64_t size);
// Reads it, and gives it back to its sender, or its memory to the system, whoever else may have it open.
void take_tail(KeptTails& tails, const os::Fd& tail, std::span<std::byte> bytes);

}  // namespace polyproc::inline v0
