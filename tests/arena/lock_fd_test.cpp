// SPDX-License-Identifier: MIT
// Forks by other threads, at any moment: an unrelated child does not keep the locks of its parent alive.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <string>
#include <thread>

#include "arena/lock_fd.hpp"
#include "arena/support.hpp"
#include "os/file_lock.hpp"
#include "support/forked_child.hpp"

namespace polyproc {
namespace {

using namespace testing;

TEST(LockFd, IsNotKeptByAForkedChild) {
  const Arena arena = Arena::anonymous({.limit = 8 * kMiB});
  constexpr std::uint64_t kByte = 77;
  LockFd claim = LockFd::open([&] { return arena.core().region().reopen(); });
  ASSERT_TRUE(os::try_lock_byte(claim.get(), kByte));
  SharedPage<std::atomic<bool>> runs;
  ForkedChild child([&] {
    *runs = true;
    for (;;) ::pause();
  });
  ASSERT_TRUE(wait_until([&] { return runs->load(); }));
  EXPECT_TRUE(os::byte_locked_elsewhere(arena.core().region().fd(), kByte));
  claim.close();
  EXPECT_FALSE(os::byte_locked_elsewhere(arena.core().region().fd(), kByte));
}

TEST(LockFd, WhoseNumberTheHostReusedIsLeftToTheHost) {
  ForkedChild host([] {
    const Arena arena = Arena::anonymous({.limit = 8 * kMiB});
    const LockFd claim = LockFd::open([&] { return arena.core().region().reopen(); });
    ::close(claim.get());
    const os::Fd theirs(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (theirs.get() != claim.get()) return 50;
    ForkedChild child([&] { return ::fcntl(theirs.get(), F_GETFD) < 0 ? 1 : 0; });
    const int code = child.join();
    ::_exit(code);  // two owners of one number
    return code;
  });
  EXPECT_EQ(host.join(), 0);
}

constexpr std::size_t kArenas = 24;
constexpr std::size_t kStorm = 40;

struct Attachments {
  std::array<std::atomic<std::uint64_t>, kArenas> identities;
  std::atomic<bool> all;
  std::atomic<bool> over;
};

std::string storm_name(std::size_t i) { return "storm" + std::to_string(i); }

// Attaches to all arenas while another of its threads forks children that do nothing but live.
void attach_in_a_storm(Attachments& seen) {
  std::atomic<bool> begun{false};
  std::thread forking([&] {
    for (std::size_t i = 0; i < kStorm; ++i) {
      begun = true;
      if (::fork() == 0) {
        ::alarm(kChildSeconds);
        while (!seen.over) ::usleep(1000);
        ::_exit(0);
      }
    }
  });
  while (!begun) std::this_thread::yield();
  std::vector<Arena> arenas;
  for (std::size_t i = 0; i < kArenas; ++i) {
    arenas.push_back(Arena::open(storm_name(i)));
    seen.identities.at(i) = arenas.back().core().identity();
  }
  forking.join();
  seen.all = true;
  for (;;) ::pause();
}

TEST(StressLockFd, AProcessKilledAfterAForkStormIsDeadAlthoughTheStormsChildrenLive) {
  {
    std::vector<Arena> arenas;
    for (std::size_t i = 0; i < kArenas; ++i)
      arenas.push_back(Arena::create(storm_name(i), {.limit = 8 * kMiB, .reserve = 16 * kMiB}));
  }
  SharedPage<Attachments> seen;
  {
    ForkedChild attached([&] { attach_in_a_storm(*seen); });
    ASSERT_TRUE(wait_until([&] { return seen->all.load(); }));
    std::vector<Arena> arenas;
    for (std::size_t i = 0; i < kArenas; ++i) {
      arenas.push_back(Arena::open(storm_name(i)));
      EXPECT_TRUE(arenas.back().core().alive(seen->identities.at(i)));
    }
    attached.kill(SIGKILL);
    attached.join();
    // A child that has not run yet since its fork has its parent's locks, until it runs.
    for (std::size_t i = 0; i < kArenas; ++i)
      EXPECT_TRUE(wait_until([&] { return !arenas[i].core().alive(seen->identities.at(i)); })) << i;
    seen->over = true;
  }
  EXPECT_TRUE(wait_until([] { return Arena::clean(), Arena::list().empty(); }));
}

}  // namespace
}  // namespace polyproc
