// SPDX-License-Identifier: MIT
// Named arenas: files that appear under their name complete or not at all, and go when nobody is attached.
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>

#include "arena/create.hpp"
#include "arena/fork.hpp"
#include "os/file_lock.hpp"

namespace polyproc::inline v0 {
namespace {

constexpr std::string_view kPrefix = "polyproc.";
constexpr std::size_t kMaxName = 200;

bool allowed(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
}

void check_name(const std::string& name) {
  if (!name.empty() && name.size() <= kMaxName && name[0] != '.' &&
      std::all_of(name.begin(), name.end(), allowed))
    return;
  throw InvalidArgument(fmt::format(
      "arena name '{}': a name has 1 to {} characters of A-Z a-z 0-9 . _ - and does not begin with "
      "a dot",
      name, kMaxName));
}

std::string path_of(const std::string& name) {
  return fmt::format("{}/{}{}", Arena::directory(), kPrefix, name);
}

struct stat status_of(int fd, const std::string& path) {
  struct stat status {};
  os::checked("stat", path, [&] { return ::fstat(fd, &status); });
  return status;
}

// The file of a named arena, this user's own and no link to something else.
os::Fd open_file(const std::string& path) {
  os::Fd fd(os::checked("open", path, [&] { return ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW); }));
  const struct stat status = status_of(fd.get(), path);
  if (status.st_uid != ::geteuid() || !S_ISREG(status.st_mode))
    os::throw_os_error(EPERM, "open, as a file that this user owns,", path);
  return fd;
}

std::shared_ptr<ArenaCore> attach_file(os::Fd fd, const std::string& path) {
  auto region = open_region(std::move(fd), path, true);
  if (auto known = find_core_of_arena(region->header().id)) return known;
  auto core = ArenaCore::attach(std::move(region));
  // Whoever removed it in the meantime held the attacher's byte, so a link that is there now stays.
  if (status_of(core->region().fd(), path).st_nlink == 0) os::throw_os_error(ENOENT, "open", path);
  return core;
}

// While nobody is attached and nobody can be: the attacher's byte is ours.
bool remove_unattached(const std::string& path) {
  const LockFd fd = LockFd::open([&] { return open_file(path); });
  if (!os::try_lock_byte(fd.get(), 0) || os::byte_locked_elsewhere(fd.get(), 0, 0)) return false;
  os::checked("unlink", path, [&] { return ::unlink(path.c_str()); });
  return true;
}

std::vector<std::string> names_on_disk() {
  const std::string folder = Arena::directory();
  DIR* entries = ::opendir(folder.c_str());
  if (entries == nullptr) os::throw_os_error(errno, "opendir", folder);
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(entries)) {
    const std::string_view file = entry->d_name;
    if (file.starts_with(kPrefix)) names.emplace_back(file.substr(kPrefix.size()));
  }
  ::closedir(entries);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

std::string Arena::directory() {
  const char* folder = std::getenv("POLYPROC_DIR");
  return folder != nullptr && *folder != '\0' ? folder : "/dev/shm";
}

std::unique_ptr<Region> open_region(os::Fd fd, const std::string& name, bool on_file_system) {
  const void* page = ::mmap(nullptr, sizeof(ArenaHeader), PROT_READ, MAP_SHARED, fd.get(), 0);
  if (page == MAP_FAILED) os::throw_os_error(errno, "mapping the header", name);
  const struct stat status = status_of(fd.get(), name);
  const bool whole = static_cast<std::uint64_t>(status.st_size) >= sizeof(ArenaHeader);
  const auto& header = *static_cast<const ArenaHeader*>(page);
  const std::string found =
      !whole || header.magic.load() != kArenaMagic ? "no arena at all"
      : header.layout_version != kLayoutVersion    ? fmt::format("layout version {}", header.layout_version)
      : header.word_size != sizeof(void*)          ? fmt::format("{}-byte words", header.word_size)
      : header.page_size != kPageSize              ? fmt::format("{}-byte pages", header.page_size)
      : header.lock_abi != kLockAbi                ? fmt::format("lock version {}", header.lock_abi)
                                                   : "";
  const std::uint64_t reserve = found.empty() ? header.reserve : 0;
  ::munmap(const_cast<void*>(page), sizeof(ArenaHeader));
  if (!found.empty()) {
    throw TypeMismatch(fmt::format(
        "opening {}: it holds {}, this program expects layout version {}, {}-byte words, {}-byte pages, "
        "lock version {}",
        name, found, kLayoutVersion, sizeof(void*), kPageSize, kLockAbi));
  }
  return std::make_unique<Region>(std::move(fd), reserve, name, on_file_system);
}

Arena Arena::create(const std::string& name, const ArenaOptions& options) {
  check_name(name);
  const std::string path = path_of(name);
  const std::string folder = directory();
  os::Fd fd(os::checked("open", folder,
                        [&] { return ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600); }));
  auto core = ArenaCore::attach(make_region(std::move(fd), options, path, true));
  POLYPROC_FAIL_POINT("named.before_link");
  const std::string unnamed = fmt::format("/proc/self/fd/{}", core->region().fd());
  os::checked("create", path,
              [&] { return ::linkat(AT_FDCWD, unnamed.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW); });
  return Arena(core);
}

Arena Arena::open(const std::string& name) {
  check_name(name);
  const std::string path = path_of(name);
  return Arena(attach_file(open_file(path), path));
}

Arena Arena::open_or_create(const std::string& name, const ArenaOptions& options) {
  for (;;) {
    try {
      return open(name);
    } catch (const OsError& error) {
      if (error.code() != ENOENT) throw;
    }
    try {
      return create(name, options);
    } catch (const OsError& error) {
      if (error.code() != EEXIST) throw;
    }
  }
}

void Arena::remove(const std::string& name) {
  check_name(name);
  if (remove_unattached(path_of(name))) return;
  throw UsageError(fmt::format("removing arena '{}': a process is attached to it; end that one first", name));
}

std::vector<NamedArena> Arena::list() {
  std::vector<NamedArena> all;
  for (const std::string& name : names_on_disk()) {
    try {
      const os::Fd fd = open_file(path_of(name));
      const auto blocks = static_cast<std::uint64_t>(status_of(fd.get(), name).st_blocks);
      all.push_back({name, blocks * 512, os::byte_locked_elsewhere(fd.get(), 0, 0)});
    } catch (const OsError&) {
      continue;  // another user's, or gone since
    }
  }
  return all;
}

std::size_t Arena::clean() {
  std::size_t removed = 0;
  for (const std::string& name : names_on_disk()) {
    try {
      removed += remove_unattached(path_of(name));
    } catch (const OsError&) {
      continue;  // another user's, or gone since
    }
  }
  return removed;
}

}  // namespace polyproc::inline v0
