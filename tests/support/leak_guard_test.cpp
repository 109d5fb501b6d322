// SPDX-License-Identifier: MIT
// The guard over all other tests must itself be seen to find each kind of leftover.
#include "support/leak_guard.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>

namespace polyproc::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A child that ends at once; it is a zombie when this returns.
pid_t make_zombie() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT);
  return child;
}

// A living process whose parent has ended.
pid_t make_orphan() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return -1;
  const pid_t parent = ::fork();
  if (parent == 0) {
    const pid_t orphan = ::fork();
    if (orphan == 0) {
      for (;;) ::pause();
    }
    const auto written = ::write(ends[1], &orphan, sizeof orphan);
    ::_exit(written == sizeof orphan ? 0 : 1);
  }
  ::waitpid(parent, nullptr, 0);
  pid_t orphan = -1;
  const auto got = ::read(ends[0], &orphan, sizeof orphan);
  ::close(ends[0]);
  ::close(ends[1]);
  return got == sizeof orphan ? orphan : -1;
}

TEST(LeakGuard, IsSilentWhenNothingIsLeft) {
  const LeakGuard guard;
  ::close(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_THAT(guard.leftovers(), IsEmpty());
}

TEST(LeakGuard, SeesADescriptor) {
  const LeakGuard guard;
  const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  EXPECT_THAT(guard.leftovers(), ElementsAre("descriptor " + std::to_string(fd) + " -> /dev/null"));
  ::close(fd);
}

TEST(LeakGuard, SeesAZombieAndReapsIt) {
  const LeakGuard guard;
  EXPECT_THAT(guard.leftovers(), IsEmpty());
  const pid_t zombie = make_zombie();
  EXPECT_THAT(guard.leftovers(), ElementsAre("zombie " + std::to_string(zombie)));
  LeakGuard::end_descendants();
  EXPECT_THAT(guard.leftovers(), IsEmpty());
}

TEST(LeakGuard, SeesARunningChild) {
  const LeakGuard guard;
  const pid_t child = ::fork();
  if (child == 0) {
    for (;;) ::pause();
  }
  EXPECT_THAT(guard.leftovers(), ElementsAre("a running child", "process " + std::to_string(child)));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

TEST(LeakGuard, SeesAnOrphanAndEndsIt) {
  const LeakGuard guard;
  const pid_t orphan = make_orphan();
  ASSERT_GT(orphan, 0);
  EXPECT_THAT(guard.leftovers(), ElementsAre("process " + std::to_string(orphan)));
  LeakGuard::end_descendants();
}

TEST(LeakGuard, SeesANamedArena) {
  const LeakGuard guard;
  const std::string path = std::string(::getenv("POLYPROC_DIR")) + "/polyproc.orders";
  ::close(::open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600));
  EXPECT_THAT(guard.leftovers(), ElementsAre("named arena polyproc.orders"));
  ::unlink(path.c_str());
}

}  // namespace
}  // namespace polyproc::testing
