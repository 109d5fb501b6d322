// SPDX-License-Identifier: MIT
// The shared objects that an item of a queue names: collected when it is put, found again when it is got.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <polyproc/codec/handle_table.hpp>
#include <polyproc/os/config.hpp>

namespace polyproc::inline v0 {

// Of an item for the queue `channel`. add_block throws UsageError when the object lies in another arena than the queue:
// who gets the item may be unable to attach it. Descriptors are refused, as shared memory cannot hold them.
class POLYPROC_API OutgoingReferences final : public HandleTable {
 public:
  explicit OutgoingReferences(const BlockRef& channel) noexcept : channel_(channel) {}
  [[nodiscard]] std::span<const BlockRef> blocks() const noexcept { return blocks_; }

  std::uint64_t add_block(const BlockRef& block) override;
  std::uint64_t add_descriptor(int descriptor) override;
  BlockRef block(std::uint64_t number) override;
  os::Fd descriptor(std::uint64_t number) override;

 private:
  const BlockRef& channel_;
  std::vector<BlockRef> blocks_;  // each once
};

// Of an item that was got; `letter` is what the queue left with it, empty when it names none.
class POLYPROC_API IncomingReferences final : public HandleTable {
 public:
  explicit IncomingReferences(const BlockRef& letter) noexcept : letter_(letter) {}

  std::uint64_t add_block(const BlockRef& block) override;
  std::uint64_t add_descriptor(int descriptor) override;
  BlockRef block(std::uint64_t number) override;
  os::Fd descriptor(std::uint64_t number) override;

 private:
  const BlockRef& letter_;
};

}  // namespace polyproc::inline v0
