// SPDX-License-Identifier: MIT
// The shared objects and descriptors that an item of a queue names: collected when it is put, found again when it is got.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <polyproc/channel/connection_message.hpp>
#include <polyproc/codec/handle_table.hpp>
#include <polyproc/os/config.hpp>
#include <polyproc/os/fd.hpp>

namespace polyproc::inline v0 {

// Of an item for the queue `channel`. An object lies in the queue's own arena, or in a named one; for any other add_block throws
// UsageError: who gets the item may be unable to attach it. The descriptors must be open until the item is put.
class POLYPROC_API OutgoingReferences final : public HandleTable {
 public:
  explicit OutgoingReferences(const BlockRef& channel) noexcept : channel_(channel) {}
  [[nodiscard]] bool empty() const noexcept {
    return blocks_.empty() && others_.empty() && descriptors_.empty();
  }
  [[nodiscard]] std::span<const BlockRef> blocks() const noexcept { return blocks_; }
  // Those in other arenas than the queue's.
  [[nodiscard]] std::span<const BlockRef> others() const noexcept { return others_; }
  [[nodiscard]] std::span<const int> descriptors() const noexcept { return descriptors_; }

  // Even numbers count the objects of the queue's arena, odd ones the others.
  std::uint64_t add_block(const BlockRef& block) override;
  std::uint64_t add_descriptor(int descriptor) override;
  BlockRef block(std::uint64_t number) override;
  os::Fd descriptor(std::uint64_t number) override;

 private:
  const BlockRef& channel_;
  std::vector<BlockRef> blocks_;  // each once
  std::vector<BlockRef> others_;  // the same
  std::vector<int> descriptors_;
};

// Of an item that was got; `letter` is what the queue left with it, empty when it names none. A descriptor is given out once. What
// is not asked for is dropped with the letter.
class POLYPROC_API IncomingReferences final : public HandleTable {
 public:
  explicit IncomingReferences(const BlockRef& letter) noexcept : letter_(letter) {}
  IncomingReferences(const IncomingReferences&) = delete;
  IncomingReferences& operator=(const IncomingReferences&) = delete;
  ~IncomingReferences() override;

  std::uint64_t add_block(const BlockRef& block) override;
  std::uint64_t add_descriptor(int descriptor) override;
  BlockRef block(std::uint64_t number) override;
  // Throws OsError when the keeper of descriptors was killed, or this process has no room.
  os::Fd descriptor(std::uint64_t number) override;

 private:
  void unpack();

  const BlockRef& letter_;
  bool unpacked_ = false;
  std::vector<os::Fd> descriptors_;
  std::vector<os::Fd> claims_;
};

}  // namespace polyproc::inline v0
