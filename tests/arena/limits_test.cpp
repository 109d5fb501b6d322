// SPDX-License-Identifier: MIT
// Limits that the system sets for a process: each is an exception, none a signal, and the arena works on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "arena/support.hpp"
#include "os/sanitizer.hpp"
#include "support/forked_child.hpp"

namespace polyproc {
namespace {

using namespace testing;

void set_limit(decltype(RLIMIT_AS) resource, std::uint64_t value) {
  rlimit limit{};
  ::getrlimit(resource, &limit);
  limit.rlim_cur = value;
  if (::setrlimit(resource, &limit) != 0) throw Error("setrlimit failed");
}

TEST(Limits, OfFileSizeIsAnExceptionAndTheArenaWorksOn) {
  ForkedChild child([] {
    const Arena arena = Arena::anonymous({.limit = kKiB * kMiB, .reserve = kKiB * kMiB});
    const BlockRef before = make_bytes(arena, 100);
    set_limit(RLIMIT_FSIZE, 24 * kMiB);
    try {
      (void)make_bytes(arena, 64 * kMiB);
      return 1;
    } catch (const ArenaFull& error) {
      if (std::string(error.what()).find("ulimit -f") == std::string::npos) return 2;
    }
    fill(make_bytes(arena, kMiB), 1);
    return arena.check().clean() ? 0 : 3;
  });
  EXPECT_EQ(child.join(), 0);
}

TEST(Limits, OfFileSizeShapeANewArena) {
  ForkedChild child([] {
    set_limit(RLIMIT_FSIZE, 100 * kMiB);
    const Arena arena = Arena::anonymous({.limit = kKiB * kMiB});
    const auto all = fill_up(arena, 100'000);
    if (all.size() * 100'000 < 10 * kMiB) return 1;
    return arena.check().clean() ? 0 : 2;
  });
  EXPECT_EQ(child.join(), 0);
}

TEST(Limits, OfFileSizeBelowTheTablesRefuseAnArena) {
  ForkedChild child([] {
    set_limit(RLIMIT_FSIZE, 10 * kMiB);
    try {
      (void)Arena::anonymous({.reserve = std::uint64_t{1} << 40});
      return 1;
    } catch (const Error&) {
    }
    set_limit(RLIMIT_FSIZE, 4096);
    try {
      (void)Arena::anonymous();
      return 2;
    } catch (const Error&) {
      return 0;
    }
  });
  EXPECT_EQ(child.join(), 0);
}

TEST(Limits, OfAddressSpaceShapeANewArena) {
#if defined(POLYPROC_ADDRESS_SANITIZER) || defined(POLYPROC_THREAD_SANITIZER)
  GTEST_SKIP() << "the sanitizers need the address space";
#endif
  ForkedChild child([] {
    set_limit(RLIMIT_AS, std::uint64_t{2} << 30);
    const Arena arena = Arena::anonymous({.limit = kKiB * kMiB});
    const auto all = fill_up(arena, kMiB);
    if (all.size() < 64) return 1;
    try {
      (void)Arena::anonymous({.reserve = std::uint64_t{1} << 40});
      return 2;
    } catch (const OsError& error) {
      if (error.code() != ENOMEM) return 3;
    }
    return arena.check().clean() ? 0 : 4;
  });
  EXPECT_EQ(child.join(), 0);
}

TEST(Limits, OfDescriptorsRefuseAnArenaAndTheNextAttemptWorks) {
  ForkedChild child([] {
    const Arena arena = Arena::anonymous();
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    set_limit(RLIMIT_NOFILE, 3);
    int wrong = 0;
    try {
      (void)Arena::anonymous();
      wrong = 1;
    } catch (const OsError& error) {
      if (error.code() != EMFILE) wrong = 2;
    }
    fill(make_bytes(arena, 10 * kMiB), 1);  // an attached arena needs none
    set_limit(RLIMIT_NOFILE, before.rlim_cur);
    fill(make_bytes(Arena::anonymous(), 100), 1);
    return wrong;
  });
  EXPECT_EQ(child.join(), 0);
}

}  // namespace
}  // namespace polyproc
