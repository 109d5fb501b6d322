// SPDX-License-Identifier: MIT
#include "arena/lost_file.hpp"

#include <fcntl.h>

#include <filesystem>
#include <string>
#include <system_error>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>

namespace polyproc::inline v0 {
namespace {

// Whatever the path leads to is compared before it is opened for good: opening some files has effects.
os::Fd open_same(const std::string& path, const os::FileId& wanted) {
  const os::Fd look(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!look || os::file_id(look.get()) != wanted) return {};
  os::Fd file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (file && os::file_id(file.get()) != wanted) file.reset();
  return file;
}

os::Fd find_among(const std::string& folder, const os::FileId& wanted) {
  std::error_code unreadable;
  for (const auto& each : std::filesystem::directory_iterator(folder, unreadable)) {
    if (os::Fd found = open_same(each.path().string(), wanted)) return found;
  }
  return {};
}

os::Fd find_with_peers(const Region& region) {
  const ArenaHeader& header = region.header();
  for (unsigned chunk = 0; chunk < kChunks && header.process_chunks[chunk] != 0; ++chunk) {
    const std::uint64_t slots = header.process_chunks[chunk] + kBlockHeaderBytes;
    for (std::uint64_t i = 0; i < std::uint64_t{kFirstChunk} << chunk; ++i) {
      const auto& slot = region.at<ProcessSlot>(slots + i * sizeof(ProcessSlot));
      if (slot.state.load() == SlotState::free) continue;
      if (os::Fd found = find_among(fmt::format("/proc/{}/fd", slot.pid.load()), region.file())) return found;
    }
  }
  return {};
}

}  // namespace

os::Fd find_lost_file(const Region& region) noexcept {
  try {
    if (region.on_file_system()) {
      if (os::Fd found = open_same(region.name(), region.file())) return found;
    }
    const auto base = reinterpret_cast<std::uint64_t>(&region.header());
    const auto own = fmt::format("/proc/self/map_files/{:x}-{:x}", base, base + region.header().reserve);
    if (os::Fd found = open_same(own, region.file())) return found;
    return find_with_peers(region);
  } catch (const std::exception&) {
    return {};
  }
}

}  // namespace polyproc::inline v0
