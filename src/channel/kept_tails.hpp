// SPDX-License-Identifier: MIT
// Memory of long messages that is used again. Fresh memory costs several times what copying does, and so do system calls
// that copy page by page. So a sending end keeps some memfds mapped, and writes into one again once its receiver has
// said, in the tail's own head, that it has read it; a receiving end keeps the mappings of those that come again.
//
// A tail whose receiver died does not come back; when all are away the oldest is given up for a new one. They are sealed
// against shrinking, so that nobody can make reading or writing them a signal.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <polyproc/os/fd.hpp>

#include "arena/lock_fd.hpp"
#include "os/file_id.hpp"

namespace polyproc::inline v0 {

// The beginning of a tail; the message's bytes follow.
enum class TailState : std::uint64_t { free = 0, to_be_kept = 1, to_be_emptied = 2 };
struct TailHead {
  TailState state;
  std::array<std::uint64_t, 7> unused;
};
static_assert(sizeof(TailHead) == 64);

// Longer ones are not kept: so an idle end keeps little.
inline constexpr std::size_t kMostKept = std::size_t{1} << 20;
inline constexpr std::size_t kKeptFile = sizeof(TailHead) + kMostKept;

class TailMapping {
 public:
  TailMapping() noexcept = default;
  // Empty when the system refuses.
  explicit TailMapping(int tail) noexcept;
  TailMapping(TailMapping&& other) noexcept : base_(std::exchange(other.base_, nullptr)) {}
  TailMapping& operator=(TailMapping&& other) noexcept {
    std::swap(base_, other.base_);
    return *this;
  }
  ~TailMapping();
  [[nodiscard]] explicit operator bool() const noexcept { return base_ != nullptr; }
  [[nodiscard]] std::atomic_ref<TailState> state() const noexcept {
    return std::atomic_ref(reinterpret_cast<TailHead*>(base_)->state);
  }
  [[nodiscard]] std::byte* bytes() const noexcept { return base_ + sizeof(TailHead); }

 private:
  std::byte* base_ = nullptr;
};

// Taken for a moment; who finds it taken does without. A forked child may find it taken for good.
class Taking {
 public:
  explicit Taking(std::atomic<bool>& taken) noexcept
      : taken_(taken.exchange(true, std::memory_order_acquire) ? nullptr : &taken) {}
  Taking(const Taking&) = delete;
  Taking& operator=(const Taking&) = delete;
  ~Taking() {
    if (taken_ != nullptr) taken_->store(false, std::memory_order_release);
  }
  [[nodiscard]] explicit operator bool() const noexcept { return taken_ != nullptr; }

 private:
  std::atomic<bool>* taken_;
};

// Of one end.
class KeptTails {
 public:
  struct Sent {  // belongs to the process that made it
    LockFd file;
    TailMapping mapping;
    std::size_t allocated = 0;  // bytes with memory behind them
  };

  KeptTails() noexcept = default;
  KeptTails(const KeptTails&) = delete;
  KeptTails& operator=(const KeptTails&) = delete;
  ~KeptTails();

  // With the Taking of `sending`: a tail with room for so many bytes; nullptr where none can be kept, as in a child
  // that was forked. Throws OsError.
  [[nodiscard]] Sent* find_free(std::size_t bytes);
  // With the Taking of `receiving`: the mapping of a tail that came; nullptr when it is none to be kept.
  [[nodiscard]] const TailMapping* find_mapping(int tail);

  std::atomic<bool> sending{false};
  std::atomic<bool> receiving{false};

 private:
  static constexpr std::size_t kMost = 12;  // more than the socket lets be on their way
  struct Received {
    os::FileId file{};
    TailMapping mapping;
  };
  [[nodiscard]] Sent& choose();

  std::array<Sent, kMost> sent_;
  std::array<Received, kMost> received_;
  std::size_t next_sent_ = 0;  // to be given up when all are away
  std::size_t next_received_ = 0;
  pid_t owner_ = 0;  // of sent_; 0: none yet
};

}  // namespace polyproc::inline v0
