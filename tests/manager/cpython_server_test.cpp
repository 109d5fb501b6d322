// SPDX-License-Identifier: MIT
// Our proxies against a server of each installed CPython, with classes that are registered there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <polyproc/manager/manager.hpp>

#include <mutex>
#include <string>
#include <thread>

#include <netinet/in.h>
#include <sys/socket.h>

#include "manager/support.hpp"
#include "support/cpython.hpp"
#include "support/forked_child.hpp"

namespace polyproc::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

class StressCpythonServer : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    for (const Cpython& python : installed_cpythons()) {
      if (python.minor != GetParam()) continue;
      server_.emplace(python, "tests/manager/cpython_server.py", fmt::format("127.0.0.1:0 {}", kKey));
      manager_ = Manager::connect(server_->read_line(), kKey, {.allow_md5 = python.is_old()});
      return;
    }
    GTEST_SKIP() << "CPython 3." << GetParam() << " is not installed";
  }
  void TearDown() override {
    if (!manager_) return;
    manager_->shutdown();
    EXPECT_EQ(server_->join(), 0);
  }
  std::optional<CpythonScript> server_;
  std::optional<Manager> manager_;
};

TEST_P(StressCpythonServer, HoldsTheSameTypes) {
  const std::size_t before = manager_->number_of_objects();
  {
    const auto list = manager_->list<int>({3, 1, 2});
    list.append(4);
    list.sort();
    EXPECT_THAT(list.values(), ElementsAre(1, 2, 3, 4));
    EXPECT_THAT(list.slice(1, 3), ElementsAre(2, 3));
    EXPECT_EQ(list.str(), "[1, 2, 3, 4]");
    EXPECT_EQ(list.get_value(), Object::list({1, 2, 3, 4}));
    const auto dict = manager_->dict<std::string, double>({{"a", 1.5}});
    dict["b"] = 2.0;
    EXPECT_EQ(dict.items().size(), 2u);
    EXPECT_EQ(dict.popitem().first, "b");
    const auto value = manager_->value(41);
    value = value + 1;
    EXPECT_EQ(value.get(), 42);
    EXPECT_EQ(manager_->array<int>({1, 2})[1], 2);
    const auto space = manager_->namespace_();
    space.set("x", 5);
    EXPECT_EQ(space.get<int>("x"), 5);
    const auto queue = manager_->joinable_queue<std::string>(1);
    queue.put("item");
    EXPECT_FALSE(queue.try_put("full"));
    EXPECT_EQ(queue.get(), "item");
    EXPECT_EQ(queue.get_for(1ms), std::nullopt);
    queue.task_done();
    queue.join();
    for (const LockProxy& lock : {manager_->lock(), manager_->rlock(), manager_->semaphore(2)}) {
      const std::lock_guard guard(lock);
    }
    const auto event = manager_->event();
    std::thread waiter([&] { event.wait(); });
    event.set();
    waiter.join();
    const auto condition = manager_->condition();
    const std::lock_guard guard(condition);
    EXPECT_FALSE(condition.wait_for(1ms));
    EXPECT_EQ(manager_->barrier(1).wait(), 0u);
    const auto nested = manager_->list<ListProxy<int>>();
    nested.append(list);
    EXPECT_EQ(nested[0].size(), 4u);
    nested.clear();
  }
  // What CPython keeps of nested proxies for ever.
  EXPECT_LE(manager_->number_of_objects(), before + 1) << manager_->debug_info();
}

TEST_P(StressCpythonServer, HoldsClassesThatItRegisters) {
  const Proxy account = manager_->create("Account", "Sam", 10);
  EXPECT_EQ((account.call<std::pair<int, std::string>>("deposit", 5)), (std::pair(15, std::string())));
  const auto noted = account.call_by_name<std::pair<int, std::string>>("deposit", Object::tuple({1}),
                                                                       Object::dict({{"note", "gift"}}));
  EXPECT_EQ(noted, (std::pair(16, std::string("gift"))));
  EXPECT_THAT(account.methods(), ::testing::UnorderedElementsAre("deposit", "balance", "withdraw"));
  try {
    account.call("withdraw", 100);
    FAIL();
  } catch (const RemoteError& error) {
    EXPECT_EQ(error.type(), "ValueError");
    EXPECT_EQ(error.message(), "Sam has 16");
  }
  EXPECT_EQ(manager_->get("shared").call<std::string>("get", "name"), "shared");
}

TEST_P(StressCpythonServer, TellsWhereItFailed) {
  try {
    (void)manager_->get("fails");
    FAIL();
  } catch (const RemoteError& error) {
    EXPECT_EQ(error.type(), "ZeroDivisionError");
    EXPECT_THAT(error.message(), HasSubstr("division by zero"));
    EXPECT_THAT(error.traceback(), HasSubstr("Traceback"));
  }
}

// There a lock is nobody's; but threads of the server serve a connection until it ends.
TEST_P(StressCpythonServer, AForkedChildKeepsNoConnectionOfItsParents) {
  const auto list = manager_->list<int>({1});
  EXPECT_EQ(list[0], 1);
  ForkedChild child([&] {
    sockaddr_storage other{};
    for (int fd = 0; fd < 1024; ++fd) {
      socklen_t size = sizeof other;
      if (::getpeername(fd, reinterpret_cast<sockaddr*>(&other), &size) == 0 && other.ss_family == AF_INET)
        return 1;
    }
    list.append(2);
    return list[1] == 2 ? 0 : 2;
  });
  EXPECT_EQ(child.join(), 0);
  EXPECT_EQ(list.size(), 2u);
}

INSTANTIATE_TEST_SUITE_P(Each, StressCpythonServer, ::testing::Values(8, 9, 10, 11, 12, 13, 14),
                         [](const auto& info) { return fmt::format("Python3_{}", info.param); });

}  // namespace
}  // namespace polyproc::testing
