// SPDX-License-Identifier: MIT
// A descriptor is closed exactly once, by its last owner, and leaves errno alone.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>

#include <polyproc/os/fd.hpp>

namespace polyproc {
namespace {

int open_null() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }
bool is_open(int fd) { return ::fcntl(fd, F_GETFD) != -1; }

TEST(Fd, ClosesWhenItsOwnerEnds) {
  const int number = open_null();
  { const os::Fd fd(number); }
  EXPECT_FALSE(is_open(number));
}

TEST(Fd, MovesLeavingNothingBehind) {
  const int number = open_null();
  os::Fd from(number);
  os::Fd to(std::move(from));
  EXPECT_FALSE(from);  // NOLINT(bugprone-use-after-move): that is the question
  EXPECT_EQ(to.get(), number);
  EXPECT_TRUE(is_open(number));
}

TEST(Fd, AssignmentClosesWhatItReplaces) {
  const int first = open_null();
  const int second = open_null();
  os::Fd fd(first);
  fd = os::Fd(second);
  EXPECT_FALSE(is_open(first));
  EXPECT_TRUE(is_open(second));
}

TEST(Fd, SurvivesAssignmentToItself) {
  const int number = open_null();
  os::Fd fd(number);
  os::Fd& same = fd;
  fd = std::move(same);
  EXPECT_EQ(fd.get(), number);
  EXPECT_TRUE(is_open(number));
}

TEST(Fd, ReleasedIsNotClosed) {
  os::Fd fd(open_null());
  const int number = fd.release();
  fd.reset();
  EXPECT_TRUE(is_open(number));
  ::close(number);
}

TEST(Fd, LeavesErrnoAlone) {
  os::Fd fd(123456);
  errno = ENOTTY;
  fd.reset();
  EXPECT_EQ(errno, ENOTTY);
}

}  // namespace
}  // namespace polyproc
