// SPDX-License-Identifier: MIT
// A host that closes all descriptors and opens others under their numbers: the arena works on, and leaves the others
// alone.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>

#include "arena/support.hpp"
#include "support/forked_child.hpp"

namespace polyproc {
namespace {

using namespace testing;

constexpr int kNumbers = 200;

// Every number below kNumbers leads to /dev/null afterwards.
void close_all_and_reuse() {
  for (int fd = 3; fd < 4096; ++fd) ::close(fd);
  while (::open("/dev/null", O_RDWR) < kNumbers) {
  }
}

bool host_descriptors_are_whole() {
  struct stat null {};
  if (::stat("/dev/null", &null) != 0) return false;
  for (int fd = 3; fd < kNumbers; ++fd) {
    struct stat status {};
    if (::fstat(fd, &status) != 0 || status.st_rdev != null.st_rdev) return false;
  }
  return true;
}

bool drop_privileges() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  return ::syscall(SYS_capset, &header, none) == 0;
}

// The identity of a process that was attached, and has been killed.
std::uint64_t a_dead_one(const Arena& arena) {
  SharedPage<std::atomic<std::uint64_t>> identity;
  ForkedChild child([&] {
    *identity = arena.core().identity();
    for (;;) ::pause();
  });
  (void)wait_until([&] { return identity->load() != 0; });
  child.kill(SIGKILL);
  child.join();
  return *identity;
}

// What a process does that has lost its descriptors; the number of the first thing that goes wrong.
int use(const Arena& arena, std::uint64_t living, std::uint64_t dead) {
  if (!arena.core().alive(living)) return 1;
  if (arena.core().alive(dead)) return 2;
  fill(make_bytes(arena, kMiB), 3);
  ForkedChild child([&] { fill(make_bytes(arena, kMiB), 4); });
  if (child.join() != 0) return 3;
  if (!arena.check().clean()) return 4;
  return host_descriptors_are_whole() ? 0 : 5;
}

TEST(LostFile, IsFoundAgainThroughAnotherProcess) {
  ForkedChild attached([] {
    if (!drop_privileges()) return 50;
    const Arena arena = Arena::anonymous({.limit = 32 * kMiB});
    const std::uint64_t dead = a_dead_one(arena);
    const std::uint64_t living = arena.core().identity();
    ForkedChild host([&] {
      auto own = std::make_unique<Arena>(arena);
      close_all_and_reuse();
      const int code = use(*own, living, dead);
      own.reset();
      return code != 0 ? code : host_descriptors_are_whole() ? 0 : 6;
    });
    return host.join();
  });
  EXPECT_EQ(attached.join(), 0);
}

TEST(LostFile, IsFoundAgainByItsName) {
  ForkedChild attached([] {
    if (!drop_privileges()) return 50;
    const Arena arena = Arena::create("lost", {.limit = 32 * kMiB});
    const std::uint64_t dead = a_dead_one(arena);
    close_all_and_reuse();
    return use(arena, arena.core().identity(), dead);
  });
  EXPECT_EQ(attached.join(), 0);
  EXPECT_EQ(Arena::clean(), 1u);
}

TEST(LostFile, OfTheOnlyProcessIsFoundAgainByThePrivileged) {
  ForkedChild host([] {
    const Arena arena = Arena::anonymous({.limit = 32 * kMiB});
    const std::uint64_t dead = a_dead_one(arena);
    std::error_code refused;
    const auto maps = std::filesystem::directory_iterator("/proc/self/map_files", refused);
    if (refused || !std::filesystem::exists(maps->path(), refused)) return 77;
    close_all_and_reuse();
    return use(arena, arena.core().identity(), dead);
  });
  const int code = host.join();
  if (code == 77) GTEST_SKIP() << "mapped files are for the privileged";
  EXPECT_EQ(code, 0);
}

TEST(LostFile, ThatCannotBeFoundIsSaidSo) {
  ForkedChild host([] {
    if (!drop_privileges()) return 50;
    const Arena arena = Arena::anonymous({.limit = 32 * kMiB});
    const BlockRef block = make_bytes(arena, 64);
    close_all_and_reuse();
    fill(block, 1);
    if (!arena.core().alive(arena.core().identity())) return 1;
    try {
      (void)make_bytes(arena, 8 * kMiB);
      return 2;
    } catch (const UsageError& error) {
      if (std::string(error.what()).find("descriptor") == std::string::npos) return 3;
    }
    ForkedChild child([&] {
      try {
        (void)make_bytes(arena, 64);
      } catch (const UsageError&) {
        return 0;
      }
      return 1;
    });
    if (child.join() != 0) return 4;
    return arena.check().clean() && host_descriptors_are_whole() ? 0 : 5;
  });
  EXPECT_EQ(host.join(), 0);
}

}  // namespace
}  // namespace polyproc
