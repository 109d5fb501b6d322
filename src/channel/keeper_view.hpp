// SPDX-License-Identifier: MIT
// An arena as its keeper sees it: a file, read from outside, without a lock and without a mapping that would put memory
// behind holes.
#pragma once

#include <cstdint>

#include <polyproc/os/fd.hpp>

#include "channel/keeper_protocol.hpp"

namespace polyproc::inline v0 {

class KeeperView {
 public:
  explicit KeeperView(os::Fd file) noexcept : file_(static_cast<os::Fd&&>(file)) {}

  // Does somebody hold the letter? What the lock would tell more is of no account: a letter whose last reference is
  // seen to be given up is given up for good, be it by a survivor.
  [[nodiscard]] bool exists(const ParcelKey& letter) const noexcept;
  [[nodiscard]] std::uint64_t letters_gone() const noexcept;
  // A process, or a child that is about to be one; references on their way are none.
  [[nodiscard]] bool anybody_attached() const noexcept;

 private:
  [[nodiscard]] bool slot_in_use(std::uint64_t at, std::uint64_t index) const noexcept;
  template <class Word>
  [[nodiscard]] Word read(std::uint64_t offset) const noexcept;

  os::Fd file_;
};

}  // namespace polyproc::inline v0
