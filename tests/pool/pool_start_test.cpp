// SPDX-License-Identifier: MIT
// Workers that cannot be started, or come to nothing: the pool goes on with those it has, and tries again.
#include <polyproc/pool/pool.hpp>

#include <gmock/gmock.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/time.h>

#include <atomic>
#include <csignal>
#include <thread>
#include <vector>

#include <polyproc/polyproc.hpp>

#include "process/support.hpp"
#include "support/forked_child.hpp"
#include "support/refusals.hpp"

namespace polyproc::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class PoolStarts : public EachMethod {
 protected:
  ~PoolStarts() override { set_diagnostic_sink({}); }
  static PoolOptions pool_of(int processes) { return {.processes = processes, .method = GetParam()}; }
};
POLYPROC_EACH_METHOD(PoolStarts);

int square(int x) { return x * x; }
int worker_pid() { return ::getpid(); }

int count_one_more(const Value<int>& counter) {
  Value<int> its = counter;
  const std::scoped_lock guard(its.get_lock());
  its = its + 1;
  return its;
}

int hang_once(const Value<int>& times, Event begun) {
  if (count_one_more(times) > 1) return 7;
  begun.set();
  wait_for_ever();
  return 0;
}

std::atomic<Pool*> watched_pool{nullptr};
std::atomic<int> refused{0};

// Diagnostics come without a lock held: the sink may use the pool.
void listen_for_refusals(Pool& pool) {
  watched_pool = &pool;
  refused = 0;
  set_diagnostic_sink([](std::string_view text) {
    if (text.find("it is tried again") == std::string_view::npos) return;
    (void)watched_pool.load()->worker_pids();
    ++refused;
  });
}

TEST_P(PoolStarts, AreTriedAgainForTheTasksThatAClosedPoolHasLeft) {
  Pool pool(pool_of(1));
  listen_for_refusals(pool);
  const Event begun;
  const auto task = pool.submit(TaskOptions{.retries = 1}, hang_once, Value<int>(0), begun);
  ASSERT_TRUE(Event(begun).wait_for(kLong));
  pool.close();
  {
    NoSpareDescriptors none;
    ::kill(pool.worker_pids().front(), SIGKILL);
    EXPECT_TRUE(testing::wait_until([&] {
      none.take_spare();
      return refused.load() == 1;
    }));
  }
  ASSERT_TRUE(task.wait_for(kLong));
  EXPECT_EQ(task.get(), 7);
  EXPECT_TRUE(pool.join_for(kLong));
}

TEST_P(PoolStarts, ThatAreRefusedCostNoWorkerThatRuns) {
  Pool pool(pool_of(2));
  listen_for_refusals(pool);
  Event go;
  Queue<int> begun;
  const auto running = pool.submit(
      [](Queue<int> its, const Event& end) {
        its.put(::getpid());
        end.wait();
        return static_cast<int>(::getpid());
      },
      begun, go);
  const int busy = take(begun);
  {
    NoSpareDescriptors none;
    for (const int pid : pool.worker_pids()) {
      if (pid != busy) ::kill(pid, SIGKILL);
    }
    EXPECT_TRUE(testing::wait_until([&] {
      none.take_spare();
      return refused.load() == 1;
    }));
    // More than a pool that breaks would need, at one attempt in 100 ms.
    EXPECT_FALSE(running.wait_for(1200ms));
  }
  go.set();
  EXPECT_EQ(running.get(), busy);
  EXPECT_TRUE(testing::wait_until([&] { return pool.worker_pids().size() == 2; }));
  EXPECT_EQ(pool.apply(square, 3), 9);
}

// All but the first die while they start.
TEST_P(PoolStarts, ThatComeToNothingCostNoWorkerThatIsReady) {
  const Value<int> starts(0);
  Pool pool(
      pool_of(2),
      [](const Value<int>& counter) {
        if (count_one_more(counter) > 1) ::raise(SIGKILL);
      },
      starts);
  const int first = pool.apply(worker_pid);
  EXPECT_TRUE(testing::wait_until([&] { return starts.get() > 8; }));
  EXPECT_EQ(pool.apply(worker_pid), first);
}

// What the initializer has left behind ends each worker soon after it is ready.
TEST_P(PoolStarts, ThatComeToNothingOnceTheyAreReadyBreakThePool) {
  const Value<int> starts(0);
  const Value<int> last(0);
  Pool pool(
      pool_of(1),
      [](const Value<int>& counter, Value<int> pid) {
        pid = ::getpid();
        (void)count_one_more(counter);
        const itimerval soon{{}, {0, 5000}};
        ::setitimer(ITIMER_REAL, &soon, nullptr);
      },
      starts, last);
  ASSERT_TRUE(testing::wait_until([&] { return starts.get() >= 6; }));
  ASSERT_TRUE(ends_soon(last.get()));
  try {
    pool.apply(wait_for_ever);
    FAIL();
  } catch (const BrokenPool& error) {
    EXPECT_THAT(error.what(), HasSubstr("or did anything"));
  }
  EXPECT_EQ(starts.get(), 6);
}

// Starting a worker writes out what is buffered: here nobody reads it for now.
TEST_P(PoolStarts, ThatTakeLongHoldUpNobody) {
  ForkedChild child([] {
    int ends[2];
    if (::pipe2(ends, O_NONBLOCK) != 0) return 1;
    Pool pool(pool_of(2));
    const int busy = pool.apply(worker_pid);
    const std::vector<char> much(4096, 'x');
    while (::write(ends[1], much.data(), much.size()) > 0) {
    }
    ::fcntl(ends[1], F_SETFL, 0);
    ::dup2(ends[1], STDOUT_FILENO);
    static char buffer[4096];
    ::setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    std::printf("said before");
    for (const int pid : pool.worker_pids()) {
      if (pid != busy) ::kill(pid, SIGKILL);
    }
    if (!testing::wait_until([&] { return pool.worker_pids() == std::vector<int>{busy}; })) return 2;
    if (pool.apply(worker_pid) != busy) return 3;
    pool.terminate();
    std::vector<char> read_back(4096);
    while (::read(ends[0], read_back.data(), read_back.size()) > 0) {
    }
    pool.join();
    return 0;
  });
  EXPECT_EQ(child.join(), 0);
}

// A tracer sees the end first: until it has let go, the pool looks now and then.
TEST_P(PoolStarts, AfterAnEndThatIsHeldBackDrawNoProcessorTime) {
  Pool pool(pool_of(1));
  const int pid = pool.apply(worker_pid);
  Queue<int> said;
  HostFork tracer([&] {
    said.put(::ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) == 0 ? 1 : 2);
    wait_for_ever();
    return 0;
  });
  if (take(said) != 1) GTEST_SKIP() << "no tracing here";
  ::kill(pid, SIGKILL);
  ASSERT_TRUE(testing::wait_until([&] { return process_state(pid) == 'Z'; }));
  const auto used = [] {
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  };
  const auto before = used();
  std::this_thread::sleep_for(300ms);
  EXPECT_LT(used() - before, 30ms);
  tracer.kill();
  EXPECT_NE(pool.apply(worker_pid), pid);
}

// A pool that lives when the process ends: its workers are ended, and no other is started for them.
TEST_P(PoolStarts, AreNoneOnceTheProcessEnds) {
  const Value<int> starts(0);
  HostFork host([&] {
    static Pool* const leaked = new Pool(
        pool_of(4), [](const Value<int>& counter) { (void)count_one_more(counter); }, starts);
    (void)leaked->map(square, std::vector<int>(100), {.chunk_size = 1});
    if (!testing::wait_until([&] { return starts.get() == 4; })) return 1;
    std::exit(3);
  });
  EXPECT_EQ(host.wait(), 3);
  EXPECT_EQ(starts.get(), 4);
}

}  // namespace
}  // namespace polyproc::testing
