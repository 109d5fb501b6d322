// SPDX-License-Identifier: MIT
// Who is alive: a process's claim ends with that process, whatever its children have inherited.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <polyproc/arena/arena.hpp>

#include "arena/arena_core.hpp"
#include "os/file_lock.hpp"
#include "support/forked_child.hpp"
#include "support/refusals.hpp"

namespace polyproc {
namespace {

void write_byte(int fd) { ASSERT_EQ(::write(fd, "x", 1), 1); }
bool read_byte(int fd) {
  char byte = 0;
  return ::read(fd, &byte, 1) == 1;
}

TEST(Liveness, AParentIsDeadAlthoughItsForkedChildLives) {
  const Arena arena = Arena::anonymous();
  int ready[2];
  int go_on[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(go_on), 0);
  const BlockRef identity = BlockRef::create(arena, BlockKind::bytes, {}, 24);
  auto* words = reinterpret_cast<std::uint64_t*>(identity.data());
  const pid_t middle = ::fork();
  if (middle == 0) {
    ::alarm(20);
    words[0] = arena.core().identity();
    if (::fork() == 0) {
      ::alarm(20);
      words[1] = arena.core().identity();
      words[2] = static_cast<std::uint64_t>(::getpid());
      ::close(go_on[1]);
      write_byte(ready[1]);
      (void)read_byte(go_on[0]);  // end of file: the test is over
      ::_exit(0);
    }
    for (;;) ::pause();
  }
  ASSERT_TRUE(read_byte(ready[0]));
  EXPECT_TRUE(arena.core().alive(words[0]));
  EXPECT_TRUE(arena.core().alive(words[1]));
  ASSERT_EQ(::kill(middle, SIGKILL), 0);
  ASSERT_EQ(::waitpid(middle, nullptr, 0), middle);
  EXPECT_FALSE(arena.core().alive(words[0]));
  EXPECT_TRUE(arena.core().alive(words[1]));
  for (const int fd : {ready[0], ready[1], go_on[0], go_on[1]}) ::close(fd);
  EXPECT_TRUE(testing::wait_until([&] {
    const char state = testing::process_state(static_cast<pid_t>(words[2]));
    return state == '?' || state == 'Z' || state == 'X';
  }));
}

TEST(Liveness, AProcessThatClosedAllDescriptorsIsAlive) {
  const Arena arena = Arena::anonymous();
  const BlockRef identity = BlockRef::create(arena, BlockKind::bytes, {}, 8);
  auto* word = reinterpret_cast<std::uint64_t*>(identity.data());
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    *word = arena.core().identity();
    for (int fd = 3; fd < 1024; ++fd) {
      if (fd != ready[1]) ::close(fd);
    }
    write_byte(ready[1]);
    for (;;) ::pause();
  }
  ASSERT_TRUE(read_byte(ready[0]));
  EXPECT_TRUE(arena.core().alive(*word));
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_FALSE(arena.core().alive(*word));
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST(Liveness, AClaimThatCouldNotBeMadeIsNotKept) {
  testing::ForkedChild child([] {
    const Arena arena = Arena::anonymous({.limit = std::uint64_t{8} << 20});
    constexpr std::uint64_t kByte = 77;
    os::Fd claim = arena.core().region().reopen();
    if (!os::try_lock_byte(claim.get(), kByte)) return 51;
    if (!testing::refuse({SYS_madvise, 2, MADV_DONTFORK, ENOMEM})) return 50;
    try {
      const Life life(claim.get());
      return 1;
    } catch (const OsError&) {
    }
    claim.reset();
    return os::byte_locked_elsewhere(arena.core().region().fd(), kByte) ? 2 : 0;
  });
  EXPECT_EQ(child.join(), 0);
}

}  // namespace
}  // namespace polyproc
