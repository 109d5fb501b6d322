// SPDX-License-Identifier: MIT
// Descriptors of processes.
#include "os/pidfd.hpp"

#include <gtest/gtest.h>
#include <poll.h>

#include "support/forked_child.hpp"

namespace polyproc {
namespace {

using namespace std::chrono_literals;
using testing::ForkedChild;

int sleep_for_ever() {
  for (;;) ::pause();
}

TEST(Pidfd, TellsTheEndOfAProcess) {
  ForkedChild child(sleep_for_ever);
  const auto pidfd = os::open_pidfd(child.pid());
  ASSERT_TRUE(pidfd.has_value());
  EXPECT_FALSE(os::wait_for_end(pidfd->get(), Deadline::now()));
  EXPECT_FALSE(os::wait_for_end(pidfd->get(), Deadline::after(1ms)));
  EXPECT_TRUE(os::send_signal(pidfd->get(), SIGKILL));
  EXPECT_TRUE(os::wait_for_end(pidfd->get(), Deadline::after(20s)));
  EXPECT_EQ(child.join(), -SIGKILL);
  EXPECT_FALSE(os::send_signal(pidfd->get(), SIGKILL));
}

TEST(Pidfd, OfNoProcessIsNothing) {
  ForkedChild child([] {});
  const pid_t pid = child.pid();
  child.join();
  EXPECT_FALSE(os::open_pidfd(pid).has_value());
}

TEST(Pidfd, WaitGoesOnAfterASignal) {
  struct sigaction ignore {};
  struct sigaction before {};
  ignore.sa_handler = [](int) {};
  ::sigaction(SIGUSR1, &ignore, &before);
  const pid_t me = ::getpid();
  ForkedChild child([me] {
    for (int i = 0; i < 20; ++i) {
      ::kill(me, SIGUSR1);
      ::usleep(500);
    }
  });
  const auto pidfd = os::open_pidfd(child.pid());
  EXPECT_TRUE(os::wait_for_end(pidfd->get(), Deadline::after(20s)));
  child.join();
  ::sigaction(SIGUSR1, &before, nullptr);
}

TEST(Pidfd, OfTheEndedIsReadableForEver) {
  const os::Fd ended = os::open_ended();
  EXPECT_TRUE(os::wait_for_end(ended.get(), Deadline::now()));
  EXPECT_TRUE(os::wait_for_end(ended.get(), Deadline::now()));
}

}  // namespace
}  // namespace polyproc
