// SPDX-License-Identifier: MIT
// Daemons end with their parent, however it ends, and whichever of its threads started them.
#include <thread>

#include "process/support.hpp"

namespace polyproc::testing {
namespace {

class Daemon : public EachMethod {
 protected:
  // In a parent of its own.
  static void start_daemon(Queue<int>& running) {
    Process daemon(daemon_options(), report_and_hang, running);
    daemon.start();
  }
};

TEST_P(Daemon, EndsWhenItsParentIsKilled) {
  Queue<int> running;
  HostFork parent([&] {
    start_daemon(running);
    wait_for_ever();
    return 0;
  });
  const int daemon = take(running);
  EXPECT_EQ(::kill(daemon, 0), 0);
  parent.kill();
  EXPECT_TRUE(ends_soon(daemon));
}

TEST_P(Daemon, OutlivesTheThreadThatStartedItButNotTheProcess) {
  Queue<int> running;
  HostFork parent([&] {
    std::thread([&] { start_daemon(running); }).join();
    running.put(0);
    wait_for_ever();
    return 0;
  });
  int daemon = take(running);
  if (const int other = take(running); other != 0) daemon = other;
  EXPECT_EQ(::kill(daemon, 0), 0);
  parent.kill();
  EXPECT_TRUE(ends_soon(daemon));
}

// A child that the host forked has a copy of every descriptor, and must not keep the daemon alive.
TEST_P(Daemon, EndsAlthoughTheHostForkedBesideIt) {
  Queue<int> running;
  HostFork parent([&] {
    start_daemon(running);
    if (::fork() == 0) {
      running.put(-::getpid());
      wait_for_ever();
    }
    wait_for_ever();
    return 0;
  });
  const int one = take(running);
  const int two = take(running);
  parent.kill();
  EXPECT_TRUE(ends_soon(std::max(one, two)));
  const int bystander = -std::min(one, two);
  EXPECT_EQ(::kill(bystander, SIGKILL), 0);
  EXPECT_TRUE(ends_soon(bystander));
}

// The second daemon's life line is a reading end of the same pipe.
TEST_P(Daemon, AllOfThemEnd) {
  Queue<int> running;
  HostFork parent([&] {
    for (int i = 0; i < 3; ++i) start_daemon(running);
    wait_for_ever();
    return 0;
  });
  int daemons[3];
  for (int& daemon : daemons) daemon = take(running);
  parent.kill();
  for (const int daemon : daemons) EXPECT_TRUE(ends_soon(daemon));
}

POLYPROC_EACH_METHOD(Daemon);

}  // namespace
}  // namespace polyproc::testing
