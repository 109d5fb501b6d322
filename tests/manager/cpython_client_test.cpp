// SPDX-License-Identifier: MIT
// SyncManager of each installed CPython as the client of our server.
#include <gtest/gtest.h>

#include <string>

#include "manager/support.hpp"
#include "support/cpython.hpp"

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

INSTANTIATE_TEST_SUITE_P(Each, StressCpythonClient, ::testing::Values(8, 9, 10, 11, 12, 13, 14),
                         [](const auto& info) { return fmt::format("Python3_{}", info.param); });

}  // namespace
}  // namespace polyproc::testing
