// SPDX-License-Identifier: MIT
// Names, parents, children of children.
#include <polyproc/process/current.hpp>

#include <gmock/gmock.h>

#include "process/support.hpp"

namespace polyproc::testing {
namespace {

using ::testing::ContainsRegex;
using ::testing::StartsWith;

class ProcessFamily : public EachMethod {};

void describe(Queue<std::string>& out) {
  out.put(current_process().name());
  out.put(parent_process()->name());
  out.put(std::to_string(parent_process()->pid()));
  out.put(parent_process()->is_alive() && !parent_process()->join_for(kShort) ? "alive" : "dead");
  out.put(current_process().daemon() ? "daemon" : "child");
  out.put(std::to_string(current_process().pid()));
}

TEST_P(ProcessFamily, AChildKnowsItsNameAndItsParent) {
  Queue<std::string> out;
  Process p({.name = "reader", .daemon = true, .method = GetParam()}, describe, out);
  p.start();
  EXPECT_EQ(take(out), "reader");
  EXPECT_EQ(take(out), "MainProcess");
  EXPECT_EQ(take(out), std::to_string(::getpid()));
  EXPECT_EQ(take(out), "alive");
  EXPECT_EQ(take(out), "daemon");
  EXPECT_EQ(take(out), std::to_string(*p.pid()));
  p.join();
}

TEST_P(ProcessFamily, NamesShowThePlace) {
  Queue<std::string> out;
  Process p(
      options(),
      [](StartMethod method, Queue<std::string>& names) {
        for (int i = 0; i < 2; ++i) {
          Process inner(
              {.method = method}, [](Queue<std::string>& q) { q.put(current_process().name()); }, names);
          inner.start();
          inner.join();
        }
      },
      GetParam(), out);
  EXPECT_THAT(p.name(), ContainsRegex("^Process-[0-9]+$"));
  p.start();
  EXPECT_EQ(take(out), p.name() + ":1");
  EXPECT_EQ(take(out), p.name() + ":2");
  p.join();
  EXPECT_EQ(p.exitcode(), 0);
}

void outlive_the_parent(Queue<int>& running, Queue<int>& ended) {
  running.put(::getpid());
  parent_process()->join();
  ended.put(parent_process()->is_alive() ? 1 : 2);
}

TEST_P(ProcessFamily, AChildMayWaitForItsParent) {
  Queue<int> running, ended;
  HostFork parent([&] {
    Process child(options(), outlive_the_parent, running, ended);
    child.start();
    wait_for_ever();
    return 0;
  });
  const int child = take(running);
  ASSERT_GT(child, 0);
  EXPECT_TRUE(ended.empty());
  parent.kill();
  EXPECT_EQ(take(ended), 2);
  EXPECT_TRUE(ends_soon(child));
}

int start_in_daemon(StartMethod method) {
  try {
    Process inner({.method = method}, [] {});
    inner.start();
  } catch (const UsageError&) {
    exit_process(4);
  }
  return 0;
}

TEST_P(ProcessFamily, DaemonsMayNotHaveChildren) {
  Process p(daemon_options(), start_in_daemon, GetParam());
  EXPECT_TRUE(p.daemon());
  p.start();
  p.join();
  EXPECT_EQ(p.exitcode(), 4);
}

POLYPROC_EACH_METHOD(ProcessFamily);

TEST(ProcessFamily, TheMainProcessHasNoParent) {
  EXPECT_EQ(current_process().name(), "MainProcess");
  EXPECT_EQ(current_process().pid(), ::getpid());
  EXPECT_FALSE(current_process().daemon());
  EXPECT_FALSE(parent_process().has_value());
}

TEST(ProcessFamily, NamesAndFlagsMayBeSetBeforeTheStart) {
  Process p([] {});
  EXPECT_THAT(p.name(), StartsWith("Process-"));
  p.set_name("later");
  p.set_daemon(true);
  EXPECT_EQ(p.name(), "later");
  EXPECT_TRUE(p.daemon());
}

}  // namespace
}  // namespace polyproc::testing
