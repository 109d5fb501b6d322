// SPDX-License-Identifier: MIT
// Workers, owners and pools that end at the worst moments: each task ends exactly once, nothing hangs, nobody stays behind.
#include <polyproc/pool/pool.hpp>

#include <gmock/gmock.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <ranges>
#include <thread>
#include <vector>

#include "process/support.hpp"
#include "support/kill.hpp"

namespace polyproc::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class PoolDeaths : public EachMethod {
 protected:
  static PoolOptions pool_of(int processes) { return {.processes = processes, .method = GetParam()}; }
};
POLYPROC_EACH_METHOD(PoolDeaths);

// How the tasks of a range ended.
struct Account {
  int values = 0;
  int lost = 0;
  [[nodiscard]] int all() const { return values + lost; }
};

int next_number(int x) { return x + 1; }

Account run_all(Pool& pool, int tasks, unsigned retries = 0) {
  Account account;
  std::vector<Future<int>> futures;
  for (int i = 0; i < tasks; ++i)
    futures.push_back(pool.submit(TaskOptions{.retries = retries}, next_number, i));
  for (int i = 0; i < tasks; ++i) {
    try {
      EXPECT_EQ(futures[static_cast<std::size_t>(i)].get(), i + 1);
      ++account.values;
    } catch (const WorkerLost&) {
      ++account.lost;
    }
  }
  return account;
}

// In one worker alone: the first that begins.
void arm_once(const Value<int>& begun, const std::string& point, std::uint32_t countdown) {
  Value<int> its = begun;
  const std::scoped_lock guard(its.get_lock());
  if (its == 0) os::arm_fail_point(point, countdown);
  its = its + 1;
}

struct Step {
  const char* point;
  bool loses_a_task;
};
constexpr Step kSteps[] = {
    {"pool.worker_initialized", false}, {"pool.task_taken", true},     {"pool.task_run", true},
    {"pool.task_reported", false},      {"sleepers.announced", false},
};

TEST_P(PoolDeaths, AtEachStepCostOneTaskAtMost) {
  POLYPROC_NEEDS_FAIL_POINTS();
  for (const Step& step : kSteps) {
    for (const std::uint32_t countdown : {1u, 2u, 5u}) {
      const Value<int> begun(0);
      Pool pool(pool_of(2), arm_once, begun, std::string(step.point), countdown);
      const Account account = run_all(pool, 40);
      EXPECT_EQ(account.all(), 40) << step.point;
      EXPECT_LE(account.lost, step.loses_a_task ? 1 : 0) << step.point;
    }
  }
}

TEST_P(PoolDeaths, RunTheTaskAgainWhenItMay) {
  POLYPROC_NEEDS_FAIL_POINTS();
  for (const Step& step : kSteps) {
    const Value<int> begun(0);
    Pool pool(pool_of(2), arm_once, begun, std::string(step.point), 2u);
    EXPECT_EQ(run_all(pool, 40, 1).values, 40) << step.point;
  }
}

// Others have done what the dead worker was given, and had not begun.
TEST_P(PoolDeaths, LeaveTheTasksThatWereNotBegunToOthers) {
  constexpr std::size_t kLength = 1 << 20;
  Pool pool(pool_of(1));
  const Event begun;
  const Event go;
  const auto dies = pool.submit(
      [](Event says, const Event& waits) {
        says.set();
        waits.wait();
        ::raise(SIGKILL);
      },
      begun, go);
  ASSERT_TRUE(begun.wait_for(kLong));
  const std::uint64_t used = Arena::family().stats().used;
  const auto given =
      pool.submit([](const std::string& text) { return text.size(); }, std::string(kLength, 'x'));
  EXPECT_GE(Arena::family().stats().used, used + kLength);  // it is in the worker's queue
  std::vector<Future<int>> waiting;
  for (int i = 0; i < 30; ++i) waiting.push_back(pool.submit(next_number, i));
  Event(go).set();
  EXPECT_EQ(given.get(), kLength);
  for (int i = 0; i < 30; ++i) EXPECT_EQ(waiting[static_cast<std::size_t>(i)].get(), i + 1);
  EXPECT_THROW(dies.get(), WorkerLost);
}

TEST_P(PoolDeaths, OfTheOwnerLeaveNoWorker) {
  Queue<int> running;
  HostFork owner([&] {
    Pool pool(
        pool_of(2), [](Queue<int> said) { said.put(::getpid()); }, running);
    wait_for_ever();
    return 0;
  });
  const int one = take(running);
  const int two = take(running);
  owner.kill();
  EXPECT_TRUE(ends_soon(one));
  EXPECT_TRUE(ends_soon(two));
}

void run_inner_pool(Queue<int> said) {
  Pool inner(PoolOptions{.processes = 1});
  said.put(inner.apply([] { return static_cast<int>(::getpid()); }));
  wait_for_ever();
}

TEST_P(PoolDeaths, OfAWorkerEndItsOwnPool) {
  Queue<int> running;
  Pool pool(pool_of(1));
  const auto outer = pool.submit(run_inner_pool, running);
  const int inner = take(running);
  EXPECT_EQ(::kill(inner, 0), 0);
  ::kill(pool.worker_pids().front(), SIGKILL);
  EXPECT_THROW(outer.get(), WorkerLost);
  EXPECT_TRUE(ends_soon(inner));
}

// Ctrl-C goes to the whole group; the owner dies of it, and nobody says a word.
TEST_P(PoolDeaths, ByCtrlCArePromptAndQuiet) {
  Queue<int> running;
  const std::string output = ::testing::TempDir() + "/ctrl_c." + std::to_string(::getpid());
  HostFork owner([&] {
    ::setpgid(0, 0);
    const int file = ::open(output.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    ::dup2(file, STDOUT_FILENO);
    ::dup2(file, STDERR_FILENO);
    ::signal(SIGINT, SIG_DFL);
    // The thread sanitizer's own thread is none of ours.
    set_diagnostic_sink([](std::string_view text) {
      if (text.find("is forked while") == std::string_view::npos)
        (void)!::write(STDERR_FILENO, text.data(), text.size());
    });
    Pool pool(pool_of(2));
    const auto busy = pool.map_async(
        [](Queue<int> said) {
          said.put(::getpid());
          wait_for_ever();
        },
        std::vector(2, running), {.chunk_size = 1});
    busy.wait();
    return 0;
  });
  const int one = take(running);
  const int two = take(running);
  ASSERT_EQ(::kill(-::getpgid(one), SIGINT), 0);
  EXPECT_EQ(owner.wait(), -SIGINT);
  EXPECT_TRUE(ends_soon(one));
  EXPECT_TRUE(ends_soon(two));
  std::ifstream said(output);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(said), {}), "");
  ::unlink(output.c_str());
}

TEST_P(PoolDeaths, ByCtrlCAreUpToTheOwner) {
  Pool pool(pool_of(1));
  const int pid = pool.apply([] { return static_cast<int>(::getpid()); });
  pool.apply([] { ::raise(SIGINT); });
  EXPECT_EQ(pool.apply([] { return static_cast<int>(::getpid()); }), pid);
}

// A result that can be written and not read, and an argument that cannot be read.
struct Unreadable {
  int number = 0;
};
struct Unwritable {};

}  // namespace
}  // namespace polyproc::testing

template <>
struct polyproc::Transfer<polyproc::testing::Unreadable> {
  static void encode(Encoder& out, const polyproc::testing::Unreadable& it) {
    out.write_count(static_cast<std::uint64_t>(it.number));
  }
  static polyproc::testing::Unreadable decode(Decoder& in) {
    (void)in.read_count();
    throw DecodeError("this type cannot be read", 0);
  }
};
template <>
struct polyproc::Transfer<polyproc::testing::Unwritable> {
  static void encode(Encoder& /*out*/, const polyproc::testing::Unwritable& /*it*/) {
    throw UsageError("this type cannot be written");
  }
  static polyproc::testing::Unwritable decode(Decoder& /*in*/) { return {}; }
};

namespace polyproc::testing {
namespace {

TEST_P(PoolDeaths, AreNoneWhereAResultCannotGo) {
  Pool pool(pool_of(1));
  const int pid = pool.apply([] { return static_cast<int>(::getpid()); });
  const auto unreadable = pool.submit([] { return Unreadable{1}; });
  EXPECT_THROW((void)unreadable.get(), DecodeError);
  EXPECT_THROW((void)pool.apply([](const Unreadable& it) { return it.number; }, Unreadable{2}), RemoteError);
  try {
    (void)pool.apply([] { return Unwritable(); });
    FAIL();
  } catch (const RemoteError& error) {
    EXPECT_EQ(error.message(), "this type cannot be written");
  }
  EXPECT_THROW((void)pool.submit([](Unwritable) {}, Unwritable()), UsageError);
  auto some = pool.imap([](int i) { return i == 1 ? throw std::vector<int>{1} : i; }, std::views::iota(0, 3));
  EXPECT_EQ(some.next(), 0);
  try {
    (void)some.next();
    FAIL();
  } catch (const RemoteError& error) {
    EXPECT_THAT(error.type(), HasSubstr("std::vector<int"));
  }
  EXPECT_EQ(some.next(), 2);
  EXPECT_EQ(some.next(), std::nullopt);
  EXPECT_EQ(pool.apply([] { return static_cast<int>(::getpid()); }), pid);
}

// A shared object in an arena of the worker's own cannot go to another process.
TEST_P(PoolDeaths, AreNoneWhereAnObjectCannotBeAttached) {
  Pool pool(pool_of(1));
  try {
    (void)pool.apply([] { return Value<int>(Arena::anonymous(), 1); });
    FAIL();
  } catch (const RemoteError& error) {
    EXPECT_EQ(error.type(), "polyproc::v0::UsageError");
  }
}

TEST_P(PoolDeaths, OfManyWorkersWhileTasksRun) {
  constexpr int kTasks = 3000;
  Pool pool(pool_of(3));
  std::atomic<int> collected{0};
  int kills = 0;
  std::thread killer([&] {
    for (int before = 0; before < kTasks; before = collected.load()) {
      if (const auto pids = pool.worker_pids(); !pids.empty()) {
        ::kill(pids[static_cast<std::size_t>(kills) % pids.size()], SIGKILL);
        ++kills;
      }
      // Not all while they start, again and again: that would break the pool.
      while (collected.load() < std::min(kTasks, before + 60)) std::this_thread::yield();
    }
  });
  const auto task = [](int i) {
    const auto end = std::chrono::steady_clock::now() + 100us;
    while (std::chrono::steady_clock::now() < end) {
    }
    return i + 1;
  };
  std::vector<Future<int>> futures;
  for (int i = 0; i < kTasks; ++i) futures.push_back(pool.submit(task, i));
  Account account;
  for (int i = 0; i < kTasks; ++i) {
    try {
      EXPECT_EQ(futures[static_cast<std::size_t>(i)].get(), i + 1);
      ++account.values;
    } catch (const WorkerLost& lost) {
      EXPECT_EQ(lost.exitcode(), -SIGKILL);
      ++account.lost;
    }
    ++collected;
  }
  killer.join();
  EXPECT_EQ(account.all(), kTasks);
  EXPECT_LE(account.lost, kills);
}

// A minute of it.
TEST(SoakPool, AHundredThousandTasksWithAWorkerKilledEvery50Ms) {
  const auto end = std::chrono::steady_clock::now() + 60s;
  for (const StartMethod method : kStartMethods) {
    int kills = 0;
    int lost = 0;
    std::size_t tasks = 0;
    const auto until = method == kStartMethods.back() ? end : std::chrono::steady_clock::now() + 20s;
    Pool pool(PoolOptions{.processes = 2, .method = method});
    std::atomic<bool> done{false};
    std::thread killer([&] {
      while (!done.load()) {
        if (const auto pids = pool.worker_pids(); !pids.empty()) {
          ::kill(pids[static_cast<std::size_t>(kills) % pids.size()], SIGKILL);
          ++kills;
        }
        std::this_thread::sleep_for(50ms);
      }
    });
    while (std::chrono::steady_clock::now() < until) {
      constexpr int kTasks = 100'000;
      auto results = pool.imap(next_number, std::views::iota(0, kTasks));
      int at = 0;
      for (;; ++at) {
        try {
          const auto result = results.next();
          if (!result) break;
          ASSERT_EQ(*result, at + 1);
        } catch (const WorkerLost&) {
          ++lost;
        }
      }
      ASSERT_EQ(at, kTasks);
      tasks += kTasks;
    }
    done = true;
    killer.join();
    EXPECT_LE(lost, kills);
    stop_fork_server();
    std::printf("%s: %zu tasks, %d kills, %d lost\n", std::string(to_string(method)).c_str(), tasks, kills,
                lost);
  }
}

}  // namespace
}  // namespace polyproc::testing
