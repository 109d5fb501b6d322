// SPDX-License-Identifier: MIT
// How pools end, in each of their threads: in time, with what was reported, and with a reason for those who wait.
#include <polyproc/pool/pool.hpp>

#include <gmock/gmock.h>
#include <sys/syscall.h>

#include <memory>
#include <optional>
#include <thread>

#include <polyproc/polyproc.hpp>

#include "os/own_thread.hpp"
#include "pool/pool_core.hpp"
#include "process/support.hpp"
#include "support/forked_child.hpp"
#include "support/refusals.hpp"

namespace polyproc::testing {
namespace {

using namespace std::chrono_literals;

class PoolEnds : public EachMethod {
 protected:
  static PoolOptions pool_of(int processes) { return {.processes = processes, .method = GetParam()}; }
};
POLYPROC_EACH_METHOD(PoolEnds);

int square(int x) { return x * x; }

TEST_P(PoolEnds, WaitForACallbackNoLongerThanTheyMay) {
  Pool pool(pool_of(1));
  Event go;
  Event called;
  pool.submit(square, 2).on_done([&](const Future<int>&) {
    called.set();
    go.wait();
  });
  ASSERT_TRUE(called.wait_for(kLong));
  pool.close();
  EXPECT_FALSE(pool.join_for(200ms));
  go.set();
  EXPECT_TRUE(pool.join_for(kLong));
}

// The thread of the callbacks goes on without the pool.
TEST_P(PoolEnds, MayComeInACallback) {
  auto pool = std::make_unique<Pool>(pool_of(1));
  Queue<int> called;
  Event go;
  const auto first = pool->submit([](const Event& begin) { begin.wait(); }, go);
  const auto second = pool->submit(square, 3);
  first.on_done([&](const Future<void>&) {
    second.wait();
    EXPECT_THROW((pool->close(), pool->join()), UsageError);
    pool.reset();
    called.put(1);
  });
  second.on_done([called](const Future<int>& done) mutable { called.put(done.get()); });
  go.set();
  EXPECT_EQ(take(called), 1);
  EXPECT_EQ(take(called), 9);
  int got = 0;
  second.on_done([&](const Future<int>& done) { got = done.get(); });
  EXPECT_EQ(got, 9);
  EXPECT_TRUE(testing::wait_until([] { return os::count_own_threads() == 0; }));
}

// A system that gives no thread for callbacks says so to who wants one.
TEST(PoolEnd, ComesToNoHarmWhereThereIsNoThreadForCallbacks) {
  ForkedChild host([] {
    Pool pool(PoolOptions{.processes = 1, .method = StartMethod::fork});
    const Event go;
    const auto task = pool.submit([](const Event& begin) { begin.wait(); }, go);
    constexpr std::uint32_t kArguments = 88;  // the size of clone3's
    if (!refuse({SYS_clone3, 1, kArguments, EAGAIN})) return 0;
    try {
      task.on_done([](const Future<void>&) {});
      return 1;
    } catch (const OsError& error) {
      if (error.code() != EAGAIN) return 2;
    }
    Event(go).set();
    task.get();
    return pool.apply(square, 4) == 16 ? 0 : 3;
  });
  EXPECT_EQ(host.join(), 0);
}

// The pool itself, so that no other of its threads takes a report before the test does.
class PoolCores : public ::testing::Test {
 protected:
  PoolCores()
      : core_(std::make_shared<PoolCore>(PoolOptions{.processes = 1, .method = StartMethod::fork}, nullptr)) {
    core_->start();
  }
  ~PoolCores() override { core_->end(); }

  template <class F, class... Args>
  std::shared_ptr<TaskGroup> submit(F fn, const Args&... arguments) {
    auto group = std::make_shared<TaskGroup>(
        core_, detail::encode_function<detail::CallFunction<F, Args...>>(fn), TaskOptions{}, false);
    group->add([&](Encoder& out) { (Transfer<Args>::encode(out, arguments), ...); });
    group->submit();
    return group;
  }
  [[nodiscard]] ByteQueue reports() const { return open_pool_queue(core_->channel()); }

  std::shared_ptr<PoolCore> core_;
};

TEST_F(PoolCores, BreakWhereAUsersThreadFindsADamagedReport) {
  const auto task = submit(wait_for_ever);
  {
    const auto guard = core_->lock("testing");
    (void)core_->drain();
    ASSERT_EQ(reports().put("?", 1, Deadline::never()), QueueStatus::done);
    EXPECT_THROW((void)core_->drain(), BrokenPool);
  }
  EXPECT_TRUE(task->wait_all(Deadline::after(kLong)));
  EXPECT_EQ(task->take(0).end, TaskEnd::broken);
  EXPECT_THROW(submit(wait_for_ever), BrokenPool);
}

TEST_F(PoolCores, KeepWhatWasReportedBeforeTheyAreTerminated) {
  const Event go;
  ASSERT_TRUE(submit(square, 1)->wait_all(Deadline::after(kLong)));
  const auto task = submit([](const Event& begin) { begin.wait(); }, go);
  {
    const auto guard = core_->lock("testing");
    (void)core_->drain();
    Event(go).set();
    ASSERT_TRUE(testing::wait_until([&] { return reports().qsize() > 0; }));
  }
  core_->terminate();
  EXPECT_EQ(task->take(0).end, TaskEnd::value);
}

}  // namespace
}  // namespace polyproc::testing
