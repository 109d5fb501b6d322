// SPDX-License-Identifier: MIT
// An item of a pool's queues, with what it names.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

#include <polyproc/channel/queue_item.hpp>

namespace polyproc::inline v0 {

class ItemReceiver : public detail::RangeReceiver<std::vector<std::byte>> {
 public:
  ItemReceiver() noexcept { letter = &letter_; }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return received(); }
  [[nodiscard]] BlockRef& own_letter() noexcept { return letter_; }

 private:
  BlockRef letter_;
};

// The header at an item's beginning, off which it is taken.
template <class Header>
[[nodiscard]] Header read_header(std::span<const std::byte>& item) {
  Header header;
  if (item.size() < sizeof header) throw CorruptArena("reading an item of a pool: it has no header");
  std::memcpy(&header, item.data(), sizeof header);
  item = item.subspan(sizeof header);
  return header;
}

}  // namespace polyproc::inline v0
