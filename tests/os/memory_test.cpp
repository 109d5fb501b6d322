// SPDX-License-Identifier: MIT
// What the machine and its limits leave to this process.
#include "os/memory.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <limits>

#include "support/forked_child.hpp"

namespace polyproc {
namespace {

using testing::ForkedChild;

constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();

void set_soft_limit(decltype(RLIMIT_AS) resource, rlim_t value) {
  rlimit limit{};
  ::getrlimit(resource, &limit);
  limit.rlim_cur = value;
  if (::setrlimit(resource, &limit) != 0) ::_exit(90);
}

TEST(Memory, AvailableIsSomeAndNoMoreThanTheMachineHas) {
  const auto all = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * os::page_size();
  EXPECT_GT(os::available_memory(), std::uint64_t{1} << 20);
  EXPECT_LE(os::available_memory(), all);
}

TEST(Memory, PageSizeIsThatOfTheSystem) {
  EXPECT_EQ(os::page_size(), static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)));
}

TEST(Memory, FileSizeLimitIsRead) {
  ForkedChild child([] {
    if (os::file_size_limit() != kUnlimited) return 0;  // there is one already: nothing to compare with
    set_soft_limit(RLIMIT_FSIZE, 1 << 20);
    return os::file_size_limit() == 1 << 20 ? 0 : 1;
  });
  EXPECT_EQ(child.join(), 0);
}

TEST(Memory, AddressSpaceLimitIsRead) {
  ForkedChild child([] {
    set_soft_limit(RLIMIT_AS, rlim_t{1} << 45);
    return os::address_space_limit() == std::uint64_t{1} << 45 ? 0 : 1;
  });
  EXPECT_EQ(child.join(), 0);
}

TEST(Memory, ReservationsAreCostlyUnderValgrindOnly) {
  ForkedChild child([] {
    ::unsetenv("LD_PRELOAD");
    if (os::reservations_are_costly()) return 1;
    ::setenv("LD_PRELOAD", "/usr/libexec/valgrind/vgpreload_core-amd64-linux.so", 1);
    return os::reservations_are_costly() ? 0 : 2;
  });
  EXPECT_EQ(child.join(), 0);
}

}  // namespace
}  // namespace polyproc
