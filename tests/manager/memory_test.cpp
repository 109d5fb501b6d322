// SPDX-License-Identifier: MIT
// Calls through memory that a client on this machine shares with the server.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <polyproc/manager/manager.hpp>
#include <polyproc/net/tls.hpp>
#include <polyproc/os/fail_point.hpp>

#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "support.hpp"
#include "support/forked_child.hpp"

namespace polyproc {
namespace {

using namespace std::chrono_literals;
using testing::ForkedChild;
using testing::kKey;
using testing::ServerThread;

// How many ends of such memory this process has mapped.
int mapped() {
  std::ifstream maps("/proc/self/maps");
  int count = 0;
  for (std::string line; std::getline(maps, line);)
    count += line.find("memfd:polyproc.connection") != line.npos;
  return count;
}

TEST(ManagerMemory, IsSharedByTheEndsOnThisMachineWhileTheyLive) {
  const ServerThread server;
  {
    const Manager manager = Manager::connect(server.address(), kKey);
    const auto dict = manager.dict<std::string, int>({{"key", 1}});
    EXPECT_EQ(dict.at("key"), 1);
    EXPECT_EQ(mapped(), 2);
    const Manager second = Manager::connect(server.address(), kKey);
    EXPECT_EQ(second.list<int>().size(), 0u);
  }
  EXPECT_TRUE(testing::wait_until([] { return mapped() == 0; }));
}

TEST(ManagerMemory, IsNotUsedOverTcp) {
  const ServerThread server(Address::tcp("127.0.0.1", 0));
  const Manager manager = Manager::connect(server.address(), kKey);
  EXPECT_EQ((manager.dict<std::string, int>({{"key", 1}}).at("key")), 1);
  EXPECT_EQ(mapped(), 0);
}

TEST(ManagerMemory, IsDoneWithoutWhereTheClientHasNoDescriptorLeft) {
  const ServerThread server;
  ForkedChild child([&] {
    const int next = ::dup(0);
    ::close(next);
    // Room for the connection's socket alone.
    const rlimit limit{static_cast<rlim_t>(next) + 1, static_cast<rlim_t>(next) + 1};
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return 1;
    const Manager manager = Manager::connect(server.address(), kKey);
    if (manager.dict<std::string, int>({{"key", 1}}).at("key") != 1) return 2;
    ::close(0);
    return mapped() == 0 ? 0 : 3;
  });
  EXPECT_EQ(child.join(), 0);
}

TEST(ManagerMemory, CarriesValuesLargerThanItself) {
  const ServerThread server;
  const Manager manager = Manager::connect(server.address(), kKey);
  const auto list = manager.list<std::string>();
  const std::string large(5'000'000, 'x');
  list.append(large);
  std::vector<ManagerFuture<std::string>> answers;
  for (int i = 0; i < 20; ++i) {
    list.append(std::to_string(i) + large);
    answers.push_back(list.call_async<std::string>("__getitem__", i));
  }
  EXPECT_EQ(answers[0].get(), large);
  for (int i = 1; i < 20; ++i)
    EXPECT_EQ(answers[static_cast<std::size_t>(i)].get(), std::to_string(i - 1) + large);
}

TEST(ManagerMemory, OneThreadThatWaitsDoesNotHoldUpTheOthers) {
  const ServerThread server;
  const Manager manager = Manager::connect(server.address(), kKey);
  const auto queue = manager.queue<int>();
  const auto dict = manager.dict<int, int>();
  std::thread waiter([&] {
    for (int i = 0; i < 100; ++i) EXPECT_EQ(queue.get(), i);
  });
  std::thread setter([&] {
    for (int i = 0; i < 1000; ++i) dict.set(i % 10, i);
  });
  for (int i = 0; i < 100; ++i) {
    EXPECT_GE(dict.size(), 0u);
    queue.put(i);
  }
  waiter.join();
  setter.join();
}

TEST(ManagerMemory, AClientKilledAtAStepOfItHarmsNobody) {
#if !POLYPROC_FAIL_POINTS
  GTEST_SKIP() << "no fail points in this build";
#endif
  const ServerThread server;
  const Manager manager = Manager::connect(server.address(), kKey);
  const auto lock = manager.lock();
  const auto list = manager.list<std::string>();
  const auto objects = manager.number_of_objects();
  for (const char* point : {"lane.write.copied", "lane.write.published", "lane.read.copied"}) {
    for (const std::uint32_t passage : {1u, 2u, 3u, 7u}) {
      ForkedChild child([&] {
        os::arm_fail_point(point, passage);
        for (;;) {
          try {
            lock.acquire();
            list.append(std::string(1000, 'x'));
            lock.release();
          } catch (const OwnerDied&) {  // what the one before had asked for was done for it
          }
        }
      });
      EXPECT_EQ(child.join(), -SIGKILL) << point;
      const auto acquired = [&] {
        try {
          return lock.try_lock_for(10s);
        } catch (const OwnerDied&) {
          return lock.try_lock_for(10s);
        }
      };
      ASSERT_TRUE(acquired()) << point;
      lock.release();
      EXPECT_TRUE(testing::wait_until([&] { return manager.number_of_objects() == objects; })) << point;
    }
  }
}

}  // namespace
}  // namespace polyproc
