// SPDX-License-Identifier: MIT
// Shared objects in a message. Between the sender's reference and the receiver's, a place in the objects' arena holds them
// that is alive through a descriptor, which travels with the message: when the kernel drops the message, or the receiver dies, the
// place is dead, and what it holds is returned like that of any dead process. A child that is spawned gets its arguments so.
#include <deque>
#include <vector>

#include <polyproc/arena/arena.hpp>
#include <polyproc/channel/byte_connection.hpp>
#include <polyproc/os/fail_point.hpp>

#include "arena/arena_core.hpp"

namespace polyproc::inline v0 {
namespace {

// A place for those of the blocks that lie in one arena.
class Escrow {
 public:
  Escrow(ArenaCore& core, const std::vector<BlockRef>& blocks) : core_(core), place_(prepare(core, blocks)) {}
  Escrow(const Escrow&) = delete;
  Escrow& operator=(const Escrow&) = delete;
  // Of a message that was not sent, or has been received already, nothing remains.
  ~Escrow() {
    place_.claim.close();
    try {
      core_.recover(place_.identity);
    } catch (const std::exception&) {
      // Found again by the next recovery of the arena.
    }
  }
  [[nodiscard]] const ArenaCore& core() const noexcept { return core_; }
  [[nodiscard]] int claim() const noexcept { return place_.claim.get(); }
  [[nodiscard]] std::uint64_t identity() const noexcept { return place_.identity; }

 private:
  static Embryo prepare(ArenaCore& core, const std::vector<BlockRef>& blocks) {
    std::vector<std::uint64_t> offsets;
    for (const BlockRef& block : blocks)
      if (&block.core() == &core) offsets.push_back(block.handle().offset);
    return core.prepare_child(offsets);
  }
  ArenaCore& core_;
  Embryo place_;
};

const Escrow& escrow_of(const BlockRef& block, const std::vector<BlockRef>& all,
                        std::deque<Escrow>& escrows) {
  for (const Escrow& each : escrows)
    if (&each.core() == &block.core()) return each;
  return escrows.emplace_back(block.core(), all);
}

}  // namespace

bool ByteConnection::send_references(Writer& out, const detail::SentHandles& handles,
                                     Deadline deadline) const {
  std::deque<Escrow> escrows;
  for (const BlockRef& block : handles.blocks()) {
    const Escrow& escrow = escrow_of(block, handles.blocks(), escrows);
    const TravellingReference reference{block.handle(), escrow.identity()};
    out.write_raw(std::as_bytes(std::span(&reference, 1)));
  }
  std::vector<int> descriptors(handles.descriptors().begin(), handles.descriptors().end());
  for (const Escrow& escrow : escrows) descriptors.push_back(escrow.claim());
  POLYPROC_FAIL_POINT("connection.references_held");
  const Luggage luggage{descriptors, escrows.size(), handles.blocks().size()};
  return send_packet(out.bytes(), luggage, deadline);
}

}  // namespace polyproc::inline v0
