// SPDX-License-Identifier: MIT
// One pool, many threads; lazy ranges; what is refused.
#include <polyproc/pool/pool.hpp>

#include <gmock/gmock.h>
#include <unistd.h>

#include <atomic>
#include <ranges>
#include <thread>
#include <vector>

#include <polyproc/polyproc.hpp>

#include "support/forked_child.hpp"
#include "support/start_methods.hpp"

namespace polyproc::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

int square(int x) { return x * x; }

// With processes that are started before there are threads.
class PoolUse : public ::testing::Test {
 protected:
  Pool pool_{2};
};

TEST_F(PoolUse, ByManyThreadsAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const int x = t * 1000 + i;
        switch (i % 4) {
          case 0:
            wrong += pool_.apply(square, x) != x * x;
            break;
          case 1: {
            const auto future = pool_.submit(square, x);
            if (!future.cancel()) wrong += future.get() != x * x;
            break;
          }
          case 2:
            wrong += pool_.map(square, std::vector{x, x + 1}) != std::vector{x * x, (x + 1) * (x + 1)};
            break;
          default: {
            auto some = pool_.imap_unordered(square, std::views::iota(0, 20));
            wrong += !some.next().has_value();  // the others are given up
          }
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(PoolUse, TakesNoMoreFromARangeThanItMay) {
  int taken = 0;
  auto counted = std::views::iota(0, 1000) | std::views::transform([&](int i) {
                   ++taken;
                   return i;
                 });
  auto results = pool_.imap(square, counted, {.chunk_size = 2, .look_ahead = 10});
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(results.next(), i * i);
    ASSERT_LE(taken, i + 1 + 12);
  }
  EXPECT_EQ(results.next(), std::nullopt);
}

TEST_F(PoolUse, IsForItsOwnProcessAlone) {
  const auto future = pool_.submit(square, 2);
  ForkedChild child([&] {
    try {
      (void)pool_.submit(square, 1);
      return 1;
    } catch (const UsageError&) {
    }
    try {
      (void)future.get();
      return 2;
    } catch (const UsageError&) {
    }
    const Pool copy = std::move(pool_);  // whose end leaves the workers alone
    return 0;
  });
  EXPECT_EQ(child.join(), 0);
  EXPECT_EQ(future.get(), 4);
  EXPECT_EQ(pool_.apply(square, 3), 9);
}

TEST_F(PoolUse, RefusesWhatMakesNoSense) {
  EXPECT_THROW(Pool(-1), InvalidArgument);
  EXPECT_THROW((void)pool_.submit(TaskOptions{.timeout = -1s}, square, 1), InvalidArgument);
  EXPECT_THROW((void)pool_.imap(square, std::vector{1}, {.chunk_size = 0}), InvalidArgument);
  Pool moved = std::move(pool_);
  EXPECT_THROW((void)pool_.submit(square, 1), UsageError);  // NOLINT: on purpose
  EXPECT_EQ(moved.apply(square, 2), 4);
}

TEST_F(PoolUse, ResultsOutliveThePool) {
  const auto future = pool_.submit(square, 6);
  auto results = pool_.imap(square, std::views::iota(0, 3));
  future.wait();
  EXPECT_EQ(results.next(), 0);
  { const Pool ended = std::move(pool_); }
  EXPECT_EQ(future.get(), 36);
}

TEST_F(PoolUse, CallsBackAlsoAfterItsEnd) {
  const auto future = pool_.submit(square, 6);
  pool_.close();
  pool_.join();
  int got = 0;
  future.on_done([&](const Future<int>& done) { got = done.get(); });
  EXPECT_EQ(got, 36);
}

TEST_F(PoolUse, ReportsWhatACallbackThrows) {
  static std::atomic<int> reported{0};
  set_diagnostic_sink(
      [](std::string_view text) { reported += text.find("callback") != std::string_view::npos; });
  const auto future = pool_.submit(square, 6);
  future.on_done([](const Future<int>&) { throw std::runtime_error("no"); });
  EXPECT_TRUE(testing::wait_until([] { return reported.load() == 1; }));
  set_diagnostic_sink({});
}

// A worker that is killed for a task that takes too long is given no other one before it is dead.
TEST_F(PoolUse, ATimeoutCostsNoOtherTask) {
  const auto last = [](int microseconds) {
    std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
  };
  for (int i = 0; i < 100; ++i) {
    const auto close = pool_.submit(TaskOptions{.timeout = 2ms}, last, 1500 + 10 * i);
    std::vector<Future<int>> others;
    for (int k = 0; k < 8; ++k) others.push_back(pool_.submit(square, k));
    try {
      close.get();
    } catch (const TimeoutError&) {
    }
    others.push_back(pool_.submit(square, 9));
    for (const auto& other : others) EXPECT_NO_THROW((void)other.get());
  }
}

TEST_F(PoolUse, ClosedBeforeALazyRangeIsTakenEndsIt) {
  auto results = pool_.imap(square, std::views::iota(0, 100), {.look_ahead = 4});
  EXPECT_EQ(results.next(), 0);
  pool_.close();
  int good = 1;
  try {
    while (results.next()) ++good;
    FAIL();
  } catch (const Closed& error) {
    EXPECT_THAT(error.what(), HasSubstr("closed"));
  }
  EXPECT_LT(good, 10);
  pool_.join();
}

TEST_F(PoolUse, TerminatedByAThreadWhileAnotherWaits) {
  const auto future = pool_.submit(wait_for_ever);
  std::thread other([&] { pool_.terminate(); });
  EXPECT_THROW(future.get(), Closed);
  other.join();
}

TEST_F(PoolUse, SendsDescriptorsAndLongValues) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const os::Fd in(ends[0]);
  {
    os::Fd out(ends[1]);
    std::vector<Future<void>> futures;
    pool_.apply([](const os::Fd& its) { (void)!::write(its.get(), "x", 1); }, std::move(out));
  }
  char got = 0;
  EXPECT_EQ(::read(in.get(), &got, 1), 1);
  const std::string text(3'000'000, 'y');
  EXPECT_EQ(pool_.apply([](std::string its) { return its + its; }, text), text + text);
}

// Slow and quick tasks on two workers: the quick ones do not wait behind the slow one.
TEST_F(PoolUse, GivesWhatWaitsBehindASlowTaskToIdleWorkers) {
  const Event end;
  const auto slow = pool_.submit([](const Event& go) { go.wait(); }, end);
  std::vector<Future<int>> quick;
  for (int i = 0; i < 100; ++i) quick.push_back(pool_.submit(square, i));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(quick[static_cast<std::size_t>(i)].get(), i * i);
  EXPECT_FALSE(slow.ready());
  Event(end).set();
  slow.get();
}

TEST_F(PoolUse, DrawsNoProcessorTimeWhileItIsIdle) {
  EXPECT_EQ(pool_.apply(square, 3), 9);
  const auto used = [] {
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  };
  std::this_thread::sleep_for(20ms);  // what was in flight
  const auto before = used();
  std::this_thread::sleep_for(300ms);
  EXPECT_LT(used() - before, 30ms);
}

}  // namespace
}  // namespace polyproc::testing
