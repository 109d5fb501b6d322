// SPDX-License-Identifier: MIT
// SyncManager of each installed CPython as the client of our server.
#include <gtest/gtest.h>

#include <signal.h>
#include <polyproc/manager/manager.hpp>

#include <sstream>
#include <string>

#include "manager/support.hpp"
#include "support/cpython.hpp"
#include "support/forked_child.hpp"

namespace polyproc::testing {
namespace {

// Each version in a test of its own, so that a missing one is named.
class StressCpythonClient : public ::testing::TestWithParam<int> {};

TEST_P(StressCpythonClient, UsesEverythingThatSyncManagerHas) {
  bool any = false;
  for (const Cpython& python : installed_cpythons()) {
    if (python.minor != GetParam()) continue;
    any = true;
    SCOPED_TRACE(python.program);
    for (const Address& address : {Address::tcp("127.0.0.1", 0), Address::unique()}) {
      ServerThread server(address, {.allow_md5 = python.is_old()});
      CpythonScript client(python, "tests/manager/cpython_client.py",
                           fmt::format("'{}' {}", server.address(), kKey));
      EXPECT_EQ(client.read_line(), "done");
      EXPECT_EQ(client.join(), 0);
    }
    break;
  }
  if (!any) GTEST_SKIP() << "CPython 3." << GetParam() << " is not installed";
}

// On this machine the kernel tells whose the references were.
TEST_P(StressCpythonClient, GivesBackWhatItHeldWhenItIsKilled) {
  bool any = false;
  for (const Cpython& python : installed_cpythons()) {
    if (python.minor != GetParam()) continue;
    any = true;
    SCOPED_TRACE(python.program);
    ServerThread server(Address::unique(), {.allow_md5 = python.is_old()});
    const Manager manager = Manager::connect(server.address(), kKey);
    const auto own = manager.list<int>({7});
    CpythonScript holder(python, "tests/manager/cpython_holder.py",
                         fmt::format("'{}' {}", server.address(), kKey));
    std::istringstream pids(holder.read_line());
    pid_t parent = 0, child = 0;
    ASSERT_TRUE(pids >> parent >> child);
    // Two lists, a dict, a queue, an iterator, and ours.
    EXPECT_EQ(manager.number_of_objects(), 6u) << manager.debug_info();
    ::kill(parent, SIGKILL);
    // The forked child has references of its own: what the parent had is one less of each.
    EXPECT_TRUE(
        wait_until([&] { return manager.debug_info().find("refcount=1\n    {}") != std::string::npos; }));
    EXPECT_EQ(manager.number_of_objects(), 6u) << manager.debug_info();
    ::kill(child, SIGKILL);
    EXPECT_TRUE(wait_until([&] { return manager.number_of_objects() == 1; })) << manager.debug_info();
    EXPECT_EQ(own[0], 7);
    EXPECT_NE(holder.join(), 0);
    break;
  }
  if (!any) GTEST_SKIP() << "CPython 3." << GetParam() << " is not installed";
}

INSTANTIATE_TEST_SUITE_P(Each, StressCpythonClient, ::testing::Values(8, 9, 10, 11, 12, 13, 14),
                         [](const auto& info) { return fmt::format("Python3_{}", info.param); });

}  // namespace
}  // namespace polyproc::testing
