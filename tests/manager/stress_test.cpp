// SPDX-License-Identifier: MIT
// Many clients, and many that die.
#include <gtest/gtest.h>
#include <polyproc/manager/manager.hpp>
#include <polyproc/process/process.hpp>

#include <sys/resource.h>
#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <random>
#include <string>
#include <vector>

#include "manager/support.hpp"
#include "net/connecting.hpp"

namespace polyproc::testing {
namespace {

using namespace std::chrono_literals;

// For so many connections; false when the system does not allow it.
bool allow_descriptors(rlim_t count) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  if (limit.rlim_cur >= count) return true;
  limit.rlim_cur = count;
  limit.rlim_max = std::max(limit.rlim_max, count);  // root may raise it
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

Object request(const Object& ident, std::string_view method) {
  return Object::tuple({ident, method, Object::tuple(), Object::dict()});
}

// Each has a connection of its own, and speaks as CPython does. The last one who waits is served as quickly as if it were alone.
TEST(StressManager, TenThousandClientsWaitAtOneQueue) {
  constexpr std::size_t kClients = 10'000;
  if (!allow_descriptors(kClients + 200)) GTEST_SKIP() << "10200 descriptors are not allowed here";
  const Manager manager({.method = StartMethod::fork});
  const auto queue = manager.queue<int>();
  const Object ident = queue.to_object().arguments().items()[1].arguments().items()[2];
  std::vector<ByteSocketConnection> clients;
  clients.reserve(kClients);
  for (std::size_t i = 0; i < kClients; ++i) {
    auto& client = clients.emplace_back(connect_to(manager.address(), {.authkey = manager.authkey()}));
    client.send_bytes(
        to_pickle(Object::tuple({Object(), "accept_connection", Object::tuple({"waiter"}), Object::dict()})));
    client.send_bytes(to_pickle(request(ident, "get")));
    (void)client.recv_bytes();
  }
  EXPECT_EQ(manager.list<int>({1})[0], 1);  // others are served
  {
    const Manager::Batch batch(manager);
    std::vector<ManagerFuture<void>> puts;
    for (std::size_t i = 0; i < kClients; ++i) puts.push_back(queue.call_async<void>("put", i));
  }
  for (std::size_t i = 0; i < kClients; ++i)
    ASSERT_EQ(decode_any(clients[i].recv_bytes()), Object::tuple({"#RETURN", i}));
  EXPECT_TRUE(queue.empty());
}

TEST(StressManager, TenThousandWhoNeverAuthenticateDisturbNobody) {
  constexpr std::size_t kCrowd = 10'000;
  if (!allow_descriptors(kCrowd + 200)) GTEST_SKIP() << "10200 descriptors are not allowed here";
  ManagerOptions options{.method = StartMethod::fork};
  options.serve.handshake_timeout = 3s;
  const Manager manager(options);
  const auto list = manager.list<int>({1});
  std::vector<os::Fd> crowd;
  crowd.reserve(kCrowd);
  for (std::size_t i = 0; i < kCrowd; ++i) {
    crowd.push_back(connect_socket(manager.address(), Deadline::never()));
    if (i % 1000 == 0) {
      ASSERT_EQ(list[0], 1);
    }
  }
  // The last one's time is over.
  const ByteSocketConnection last(std::move(crowd.back()));
  EXPECT_THROW(for (;;)(void) last.recv_bytes(), EndOfFile);
  EXPECT_EQ(list[0], 1);
  EXPECT_EQ(Manager::connect(manager.address(), manager.authkey()).number_of_objects(), 1u);
}

// What a client does until it is killed.
[[noreturn]] void be_busy(const Manager& manager, const LockProxy& lock, const QueueProxy<int>& queue,
                          const DictProxy<int, int>& dict, unsigned seed) {
  std::minstd_rand random(seed);
  for (int i = 0;; ++i) {
    try {
      const auto own = manager.list<int>({i});
      dict.set(static_cast<int>(random() % 10), i);
      const auto guard = std::unique_lock(lock);
      queue.put(i);
      (void)queue.try_get();
      own.append(1);
    } catch (const OwnerDied&) {  // the one before
    }
  }
}

TEST(StressManager, AThousandKilledClientsLeaveNothingBehind) {
  constexpr int kKills = 1000, kAtOnce = 8;
  const Manager manager({.method = StartMethod::fork});
  const std::size_t before = manager.number_of_objects();
  {
    const auto lock = manager.lock();
    const auto queue = manager.queue<int>();
    const auto dict = manager.dict<int, int>();
    std::vector<pid_t> clients;
    std::minstd_rand random(1);
    for (int started = 0, killed = 0; killed < kKills;) {
      while (started < kKills && clients.size() < kAtOnce) {
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
          try {
            be_busy(manager, lock, queue, dict, static_cast<unsigned>(started));
          } catch (...) {
          }
          ::_exit(1);
        }
        clients.push_back(child);
        ++started;
      }
      (void)dict.size();  // some time, as long as the server takes
      const std::size_t victim = random() % clients.size();
      ::kill(clients[victim], SIGKILL);
      int status = 0;
      ASSERT_EQ(::waitpid(clients[victim], &status, 0), clients[victim]);
      ASSERT_TRUE(WIFSIGNALED(status)) << "a client has ended by itself";
      clients.erase(clients.begin() + static_cast<std::ptrdiff_t>(victim));
      ++killed;
    }
    // The lock is free: the last owner's death is told once.
    try {
      EXPECT_TRUE(lock.try_lock_for(20s));
    } catch (const OwnerDied&) {
      EXPECT_TRUE(lock.try_lock_for(20s));
    }
  }
  const Deadline deadline = Deadline::after(20s);
  while (manager.number_of_objects() != before && !deadline.passed()) {
  }
  EXPECT_EQ(manager.number_of_objects(), before) << manager.debug_info();
}

}  // namespace
}  // namespace polyproc::testing
