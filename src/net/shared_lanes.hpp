// SPDX-License-Identifier: MIT
// Memory that the two ends of a connection share: a lane each way, in which one writes and the other one reads.
//
// `written` and `taken` count bytes. Each is stored by its one owner after the bytes were copied, so what a killed end had not
// published never was. Both ends keep their own count outside of the memory and check the other one's before each use; bytes are
// copied out before anybody looks at them. So whatever the other end writes here, it can only say something wrong.
//
// Who is about to sleep announces it, and looks once more at the count it waits for; who stores a count looks for the announcement
// afterwards, takes it back, and wakes the sleeper. All of this in one order for both (seq_cst): either the sleeper sees the count or
// the other end sees the announcement.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include <polyproc/os/fd.hpp>

namespace polyproc::inline v0 {

struct Lane {
  alignas(64) std::atomic<std::uint64_t> written;
  alignas(64) std::atomic<std::uint64_t> taken;
  alignas(64) std::atomic<std::uint32_t> reader_sleeps;
  alignas(64) std::atomic<std::uint32_t> writer_sleeps;  // until half of the lane is free; a futex too
};

// The memory, mapped.
class SharedLanes {
 public:
  static constexpr std::size_t kCapacity = 64 * 1024;  // of a lane; stays in the nearer caches

  // A file of memory for attach(), of a size that nobody can change. Throws OsError.
  [[nodiscard]] static os::Fd make();
  // Throws OsError, also where the file's size could change: who uses memory that another one has truncated is killed.
  static SharedLanes attach(const os::Fd& file);
  SharedLanes(SharedLanes&& other) noexcept;
  SharedLanes& operator=(SharedLanes&&) = delete;
  ~SharedLanes();

  [[nodiscard]] Lane& lane(int index) const noexcept;
  [[nodiscard]] std::span<std::byte, kCapacity> bytes(int index) const noexcept;

 private:
  explicit SharedLanes(std::byte* base) noexcept : base_(base) {}
  std::byte* base_;
};

class LaneWriter {
 public:
  LaneWriter(const SharedLanes& lanes, int index) noexcept
      : lane_(lanes.lane(index)), bytes_(lanes.bytes(index)) {}

  // Publishes as many as there is room for. Throws Error where the other end's count is none.
  [[nodiscard]] std::size_t write(std::span<const std::byte> from);
  // Announces that this end sleeps until half of the lane is free; false when it is already.
  [[nodiscard]] bool rest();
  [[nodiscard]] bool has_room() { return room() >= SharedLanes::kCapacity / 2; }
  // Whether the reader is to be woken, after a write: by whom this tells.
  [[nodiscard]] bool reader_sleeps() noexcept;
  // Sleeps after rest(), at most so long.
  void sleep(std::chrono::nanoseconds most) const noexcept;

 private:
  [[nodiscard]] std::size_t room();

  Lane& lane_;
  std::span<std::byte, SharedLanes::kCapacity> bytes_;
  std::uint64_t written_ = 0;
  std::uint64_t seen_taken_ = 0;
};

class LaneReader {
 public:
  LaneReader(const SharedLanes& lanes, int index) noexcept
      : lane_(lanes.lane(index)), bytes_(lanes.bytes(index)) {}

  // Copies out what is there. Throws Error where the other end's count is none.
  [[nodiscard]] std::size_t read(std::span<std::byte> to);
  [[nodiscard]] bool holds_input() const noexcept {
    return lane_.written.load(std::memory_order_acquire) != taken_;
  }
  // Announces that this end sleeps; false when there is something to be read.
  [[nodiscard]] bool rest() noexcept;
  void wake() noexcept { lane_.reader_sleeps.store(0, std::memory_order_relaxed); }
  // Whether the writer is to be woken, after a read: by whom this tells. One that waits for a futex has been.
  [[nodiscard]] bool writer_sleeps() noexcept;

 private:
  Lane& lane_;
  std::span<std::byte, SharedLanes::kCapacity> bytes_;
  std::uint64_t taken_ = 0;
};

}  // namespace polyproc::inline v0
