// SPDX-License-Identifier: MIT
// References to shared objects on their way, in a message or in an item for another arena's queue. Between the sender's reference and
// the receiver's, a place in the objects' arena holds them that is alive through a descriptor, the claim, which travels along:
// when the kernel, or the keeper, drops it, or the receiver dies, the place is dead, and what it holds is returned like
// that of any dead process. A child that is spawned gets its arguments so.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <polyproc/arena/block_ref.hpp>
#include <polyproc/channel/connection_message.hpp>
#include <polyproc/os/fd.hpp>

#include "arena/arena_core.hpp"

namespace polyproc::inline v0 {

// The sender's side: places for some blocks, one in each of their arenas. What was not sent, or has been received already, is
// returned by the destructor.
class Escrows {
 public:
  explicit Escrows(std::span<const BlockRef> blocks);
  Escrows(const Escrows&) = delete;
  Escrows& operator=(const Escrows&) = delete;
  ~Escrows();

  // In the order of the blocks.
  [[nodiscard]] std::span<const TravellingReference> references() const noexcept { return references_; }
  [[nodiscard]] std::size_t size() const noexcept { return places_.size(); }
  void append_claims(std::vector<int>& descriptors) const;

 private:
  struct Place {
    ArenaCore* core;
    Embryo held;
  };
  [[nodiscard]] std::uint64_t holder_for(const BlockRef& block, std::span<const BlockRef> all);

  std::vector<Place> places_;
  std::vector<TravellingReference> references_;
};

// The receiver's side. A reference of its own to the object; attaches the arena if need be, whose name is found by a claim. Throws
// UsageError.
[[nodiscard]] BlockRef adopt_travelling(const TravellingReference& reference, std::span<const os::Fd> claims);
// Once the claims are closed: what is still held for the receiver is returned.
void return_travelling(std::span<const TravellingReference> references) noexcept;

}  // namespace polyproc::inline v0
