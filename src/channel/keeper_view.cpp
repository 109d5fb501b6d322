// SPDX-License-Identifier: MIT
#include "channel/keeper_view.hpp"

#include <unistd.h>

#include <cstddef>

#include "arena/layout.hpp"
#include "os/file_lock.hpp"

namespace polyproc::inline v0 {

// What lies beyond the file's end reads as 0.
template <class Word>
Word KeeperView::read(std::uint64_t offset) const noexcept {
  Word word{};
  (void)!::pread(file_.get(), &word, sizeof word, static_cast<off_t>(offset));
  return word;
}

bool KeeperView::exists(const ParcelKey& letter) const noexcept {
  const auto state = read<std::uint64_t>(letter.offset + offsetof(BlockHeader, state));
  return state >> 32 == kBlockMagic && static_cast<std::uint32_t>(state) != 0 &&
         read<std::uint64_t>(letter.offset + offsetof(BlockHeader, generation)) == letter.generation;
}

std::uint64_t KeeperView::letters_gone() const noexcept {
  return read<std::uint64_t>(offsetof(ArenaHeader, letters_gone));
}

bool KeeperView::anybody_attached() const noexcept {
  if (!os::byte_locked_elsewhere(file_.get(), 0, 0)) return false;
  if (os::byte_locked_elsewhere(file_.get(), 0)) return true;  // somebody is attaching
  const auto count = read<std::uint32_t>(offsetof(ArenaHeader, process_slots));
  std::uint64_t index = 0;
  for (std::uint64_t chunk = 0; chunk < kChunks; ++chunk) {
    const auto table =
        read<std::uint64_t>(offsetof(ArenaHeader, process_chunks) + chunk * sizeof(std::uint64_t));
    for (std::uint64_t i = 0; i < std::uint64_t{kFirstChunk} << chunk && index < count; ++i, ++index) {
      if (slot_in_use(table + kBlockHeaderBytes + i * sizeof(ProcessSlot), index)) return true;
    }
  }
  return false;
}

bool KeeperView::slot_in_use(std::uint64_t at, std::uint64_t index) const noexcept {
  const auto state = read<SlotState>(at + offsetof(ProcessSlot, state));
  return index != 0 && (state == SlotState::embryo || state == SlotState::live) &&
         os::byte_locked_elsewhere(file_.get(), index);
}

}  // namespace polyproc::inline v0
