// SPDX-License-Identifier: MIT
// What a pool does, under every start method.
#include <polyproc/pool/pool.hpp>

#include <gmock/gmock.h>

#include <map>
#include <numeric>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

#include <polyproc/channel/queue.hpp>
#include <polyproc/process/current.hpp>
#include <polyproc/shared/value.hpp>
#include <polyproc/sync/event.hpp>
#include <polyproc/sync/wait.hpp>

#include "support/start_methods.hpp"

namespace polyproc::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAreArray;

class Pools : public EachMethod {
 protected:
  static PoolOptions pool_of(int processes) { return {.processes = processes, .method = GetParam()}; }
};
POLYPROC_EACH_METHOD(Pools);

int square(int x) { return x * x; }
int worker_pid() { return ::getpid(); }
std::string joined(const std::string& a, const std::vector<std::string>& more) {
  std::string all = a;
  for (const auto& each : more) all += "," + each;
  return all;
}

TEST_P(Pools, CallFunctions) {
  Pool pool(pool_of(2));
  EXPECT_EQ(pool.apply(square, 7), 49);
  EXPECT_EQ(pool.apply([](double x) { return x / 2; }, 5.0), 2.5);
  EXPECT_EQ(pool.apply(joined, "a", std::vector<std::string>{"b", "c"}), "a,b,c");
  EXPECT_NE(pool.apply(worker_pid), ::getpid());
  const Future<int> future = pool.submit(square, 8);
  EXPECT_EQ(future.get(), 64);
  EXPECT_EQ(future.get(), 64);
  EXPECT_TRUE(future.ready());
  EXPECT_TRUE(future.successful());
}

TEST_P(Pools, MapRanges) {
  Pool pool(pool_of(2));
  const auto numbers = std::views::iota(0, 1000);
  const auto squares = pool.map(square, numbers);
  ASSERT_EQ(squares.size(), 1000u);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(squares[static_cast<std::size_t>(i)], i * i);
  EXPECT_EQ(pool.map(square, numbers, {.chunk_size = 1}), squares);
  EXPECT_EQ(pool.map(square, numbers, {.chunk_size = 7}), squares);
  EXPECT_EQ(pool.map_async(square, numbers).get(), squares);
  const std::map<std::string, int> words{{"a", 1}, {"b", 2}};
  EXPECT_THAT(pool.starmap([](const std::string& word, int n) { return word + std::to_string(n); }, words),
              ElementsAre("a1", "b2"));
  EXPECT_TRUE(pool.map(square, std::vector<int>{}).empty());
  std::vector<int> lazily;
  for (const int each : pool.imap(square, numbers)) lazily.push_back(each);
  EXPECT_EQ(lazily, squares);
  std::vector<int> any_order;
  for (const int each : pool.imap_unordered(square, numbers, {.chunk_size = 3})) any_order.push_back(each);
  EXPECT_THAT(any_order, UnorderedElementsAreArray(squares));
}

TEST_P(Pools, HandSharedObjectsToTasksAndBack) {
  Pool pool(pool_of(2));
  Value<int> sum(0);
  pool.map(
      [](const Value<int>& total) {
        Value<int> its = total;
        const std::scoped_lock guard(its.get_lock());
        its = its + 1;
      },
      std::vector<Value<int>>(20, sum), {.chunk_size = 3});
  EXPECT_EQ(sum, 20);
  auto queue = pool.apply([] {
    Queue<std::string> made;
    made.put("from a worker");
    return made;
  });
  EXPECT_EQ(take(queue), "from a worker");
}

int fail(int x) {
  if (x % 3 == 0) throw std::out_of_range("no " + std::to_string(x));
  return x;
}

TEST_P(Pools, ThrowWhatTasksThrew) {
  Pool pool(pool_of(2));
  try {
    (void)pool.apply(fail, 3);
    FAIL();
  } catch (const RemoteError& error) {
    EXPECT_EQ(error.type(), "std::out_of_range");
    EXPECT_EQ(error.message(), "no 3");
    EXPECT_THAT(error.origin(), HasSubstr("PoolWorker-"));
  }
  try {
    (void)pool.map(fail, std::views::iota(1, 100), {.chunk_size = 10});
    FAIL();
  } catch (const RemoteError& error) {
    EXPECT_EQ(error.message(), "no 3");
  }
  auto results = pool.imap(fail, std::views::iota(0, 100), {.chunk_size = 8});
  int good = 0;
  int bad = 0;
  for (;;) {
    try {
      if (!results.next()) break;
      ++good;
    } catch (const RemoteError&) {
      ++bad;
    }
  }
  EXPECT_EQ(good, 66);
  EXPECT_EQ(bad, 34);
  const auto future = pool.submit([] { throw 42; });
  EXPECT_THROW(future.get(), RemoteError);
  EXPECT_FALSE(future.successful());
}

Value<int>* initialized = nullptr;
void initialize(const Value<int>& value, int add) {
  initialized = new Value<int>(value);  // NOLINT: for the life of the process
  const std::scoped_lock guard(initialized->get_lock());
  *initialized = *initialized + add;
}

TEST_P(Pools, RunTheirInitializerInEachWorker) {
  const Value<int> value(0);
  Pool pool(pool_of(3), initialize, value, 5);
  EXPECT_EQ(pool.apply([] { return initialized != nullptr; }), true);
  pool.close();
  pool.join();
  EXPECT_EQ(value, 15);
}

TEST_P(Pools, ReplaceWorkersAfterSoManyTasks) {
  PoolOptions options = pool_of(1);
  options.max_tasks_per_child = 2;
  Pool pool(options);
  std::vector<int> pids;
  for (int i = 0; i < 6; ++i) pids.push_back(pool.apply(worker_pid));
  EXPECT_EQ(pids[0], pids[1]);
  EXPECT_NE(pids[1], pids[2]);
  EXPECT_EQ(pids[2], pids[3]);
  EXPECT_NE(pids[3], pids[4]);
}

TEST_P(Pools, CostADeadWorkerItsOwnTaskAlone) {
  Pool pool(pool_of(2));
  const auto killed = pool.submit([] { ::raise(SIGKILL); });
  const auto left = pool.submit([] { std::_Exit(7); });
  const auto squares = pool.map(square, std::views::iota(0, 100), {.chunk_size = 1});
  EXPECT_EQ(squares.back(), 99 * 99);
  try {
    killed.get();
    FAIL();
  } catch (const WorkerLost& lost) {
    EXPECT_EQ(lost.exitcode(), -SIGKILL);
    EXPECT_THAT(lost.what(), HasSubstr("SIGKILL"));
  }
  try {
    left.get();
    FAIL();
  } catch (const WorkerLost& lost) {
    EXPECT_EQ(lost.exitcode(), 7);
  }
}

int die_once(const Value<int>& times) {
  Value<int> its = times;
  its = its + 1;
  if (its == 1) ::raise(SIGKILL);
  return its;
}

TEST_P(Pools, RunLostTasksAgainWhenTheyMay) {
  Pool pool(pool_of(1));
  const Value<int> times(0);
  EXPECT_EQ(pool.apply(TaskOptions{.retries = 1}, die_once, times), 2);
  EXPECT_THROW(pool.apply(TaskOptions{.retries = 2}, [] { ::raise(SIGKILL); }), WorkerLost);
}

TEST_P(Pools, EndTasksThatTakeTooLong) {
  Pool pool(pool_of(2));
  const auto slow = pool.submit(TaskOptions{.timeout = std::chrono::milliseconds(50)}, wait_for_ever);
  const auto quick = pool.submit(TaskOptions{.timeout = kLong}, square, 3);
  EXPECT_THROW(slow.get(), TimeoutError);
  EXPECT_EQ(quick.get(), 9);
  EXPECT_EQ(pool.apply(square, 4), 16);
}

TEST_P(Pools, CloseAndJoin) {
  Pool pool(pool_of(2));
  EXPECT_THROW(pool.join(), UsageError);
  auto squares = pool.map_async(square, std::views::iota(0, 50), {.chunk_size = 1});
  pool.close();
  EXPECT_THROW((void)pool.submit(square, 1), Closed);
  pool.join();
  EXPECT_EQ(squares.get().size(), 50u);
  EXPECT_TRUE(pool.worker_pids().empty());
}

TEST_P(Pools, TerminateTellsThoseWhoWait) {
  Pool pool(pool_of(1));
  const auto running = pool.submit(wait_for_ever);
  const auto waiting = pool.submit(square, 1);
  pool.terminate();
  pool.join();
  EXPECT_THROW(running.get(), Closed);
  EXPECT_THROW((void)waiting.get(), Closed);
}

TEST_P(Pools, CancelWhatHasNotBegun) {
  Pool pool(pool_of(1));
  Event go;
  Event begun;
  const auto first = pool.submit(
      [](Event started, const Event& end) {
        started.set();
        end.wait();
      },
      begun, go);
  begun.wait();
  std::vector<Future<int>> more;
  for (int i = 0; i < 5; ++i) more.push_back(pool.submit(square, i));
  EXPECT_FALSE(first.cancel());
  EXPECT_TRUE(more[0].cancel());
  EXPECT_TRUE(more[3].cancel());
  EXPECT_FALSE(more[3].cancel());
  go.set();
  first.get();
  EXPECT_THROW((void)more[0].get(), Cancelled);
  EXPECT_THROW((void)more[3].get(), Cancelled);
  EXPECT_EQ(more[1].get() + more[2].get() + more[4].get(), 1 + 4 + 16);
}

int sum_in_a_pool(int n) {
  Pool inner(2);
  const auto squares = inner.map(square, std::views::iota(0, n));
  return std::accumulate(squares.begin(), squares.end(), 0);
}

TEST_P(Pools, MayBeNested) {
  Pool pool(pool_of(2));
  EXPECT_THAT(pool.map(sum_in_a_pool, std::vector{3, 4}), ElementsAre(5, 14));
}

TEST_P(Pools, BrokenByTheirInitializer) {
  Pool pool(pool_of(2), [] { throw std::runtime_error("no database"); });
  try {
    (void)pool.apply(square, 1);
    FAIL();
  } catch (const BrokenPool& error) {
    EXPECT_THAT(error.what(), HasSubstr("no database"));
  }
  EXPECT_THROW((void)pool.submit(square, 1), BrokenPool);
}

TEST_P(Pools, BrokenByWorkersThatCannotBegin) {
  Pool pool(pool_of(2), [] { ::raise(SIGKILL); });
  try {
    (void)pool.apply(square, 1);
    FAIL();
  } catch (const BrokenPool& error) {
    EXPECT_THAT(error.what(), HasSubstr("before they were ready"));
  }
}

TEST_P(Pools, FuturesJoinWaitAndCallBack) {
  Pool pool(pool_of(2));
  Event go;
  const auto late = pool.submit(
      [](const Event& end) {
        end.wait();
        return 1;
      },
      go);
  const auto soon = pool.submit(square, 5);
  EXPECT_THAT(wait({late, soon}), ElementsAre(1));
  Queue<int> called;
  late.on_done([called](const Future<int>& future) mutable { called.put(future.get()); });
  go.set();
  EXPECT_EQ(take(called), 1);
  soon.on_done([called](const Future<int>& future) mutable { called.put(future.get()); });
  EXPECT_EQ(take(called), 25);
}

TEST_P(Pools, TellOfProgress) {
  Pool pool(pool_of(2));
  std::vector<std::size_t> told;
  pool.map(square, std::views::iota(0, 95),
           {.chunk_size = 10, .progress = [&](std::size_t done, std::size_t all) {
              EXPECT_EQ(all, 95u);
              told.push_back(done);
            }});
  EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
  EXPECT_EQ(told.back(), 95u);
  Queue<std::size_t> posted;
  auto later = pool.map_async(
      square, std::views::iota(0, 95),
      {.chunk_size = 10, .progress = [posted](std::size_t done, std::size_t) mutable { posted.put(done); }});
  later.wait();
  std::size_t last = 0;
  while (last != 95) {
    const std::size_t next = take(posted);
    ASSERT_GT(next, last);
    last = next;
  }
}

}  // namespace
}  // namespace polyproc::testing
