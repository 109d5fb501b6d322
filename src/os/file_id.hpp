// SPDX-License-Identifier: MIT
// Which file a descriptor leads to: the numbers of descriptors are reused, also by a host that closes ours.
#pragma once

#include <cstdint>
#include <optional>

namespace polyproc::inline v0::os {

struct FileId {
  std::uint64_t device;
  std::uint64_t inode;
  friend bool operator==(const FileId&, const FileId&) = default;
};

// Nothing when the descriptor is not open.
[[nodiscard]] std::optional<FileId> file_id(int fd) noexcept;

}  // namespace polyproc::inline v0::os
