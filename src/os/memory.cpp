// SPDX-License-Identifier: MIT
#include "os/memory.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <string>

#include "os/sanitizer.hpp"

namespace polyproc::inline v0::os {
namespace {

constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();

std::uint64_t read_number(const std::string& path) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  return file >> number ? number : kUnlimited;  // also for the word 'max' and for a file that is not there
}

std::uint64_t room_in_group(const std::string& folder, const char* limit_name, const char* used_name) {
  const std::uint64_t limit = read_number(folder + limit_name);
  const std::uint64_t used = read_number(folder + used_name);
  if (limit == kUnlimited || used == kUnlimited) return kUnlimited;
  return limit > used ? limit - used : 0;
}

// The least room in the group `path` and all groups above it, below the mount point `root`.
std::uint64_t room_up_to_root(const std::string& root, std::string path, const char* limit_name,
                              const char* used_name) {
  std::uint64_t room = kUnlimited;
  for (;;) {
    room = std::min(room, room_in_group(root + path + "/", limit_name, used_name));
    const auto slash = path.find_last_of('/');
    if (path.empty() || slash == std::string::npos) return room;
    path.resize(slash);
  }
}

std::uint64_t room_in_control_groups() {
  std::ifstream file("/proc/self/cgroup");
  std::uint64_t room = kUnlimited;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("0::")) {
      room =
          std::min(room, room_up_to_root("/sys/fs/cgroup", line.substr(3), "memory.max", "memory.current"));
    } else if (const auto at = line.find(":memory:"); at != std::string::npos) {
      room = std::min(room, room_up_to_root("/sys/fs/cgroup/memory", line.substr(at + 8),
                                            "memory.limit_in_bytes", "memory.usage_in_bytes"));
    }
  }
  return room;
}

std::uint64_t machine_available() {
  std::ifstream file("/proc/meminfo");
  for (std::string word; file >> word;) {
    std::uint64_t kib = 0;
    if (word == "MemAvailable:" && file >> kib) return kib * 1024;
  }
  return kUnlimited;
}

std::uint64_t soft_limit(decltype(RLIMIT_AS) resource) noexcept {
  rlimit limit{};
  if (::getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return kUnlimited;
  return limit.rlim_cur;
}

}  // namespace

std::uint64_t available_memory() noexcept {
  try {
    return std::min(machine_available(), room_in_control_groups());
  } catch (...) {
    return kUnlimited;  // out of private memory for a path name: the allocation that asked will tell
  }
}

std::uint64_t address_space_limit() noexcept { return soft_limit(RLIMIT_AS); }
std::uint64_t file_size_limit() noexcept { return soft_limit(RLIMIT_FSIZE); }

bool reservations_are_costly() noexcept {
  const char* preloaded = std::getenv("LD_PRELOAD");
  return preloaded != nullptr && std::strstr(preloaded, "vgpreload") != nullptr;
}

bool address_space_is_crowded() noexcept {
#if defined(POLYPROC_THREAD_SANITIZER)
  return true;
#else
  return false;
#endif
}

std::uint64_t page_size() noexcept {
  static const auto size = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

}  // namespace polyproc::inline v0::os
