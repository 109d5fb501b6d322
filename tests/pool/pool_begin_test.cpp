// SPDX-License-Identifier: MIT
// Workers that die before they run anything of the user's: one costs nothing, all of them break the pool.
#include <polyproc/pool/pool.hpp>

#include <gmock/gmock.h>
#include <pthread.h>

#include <atomic>
#include <numeric>
#include <ranges>
#include <vector>

#include <polyproc/shared/value.hpp>

#include "support/kill.hpp"
#include "support/start_methods.hpp"

namespace polyproc::testing {
namespace {

constexpr const char* kPoint = "pool.worker_begins";

// An argument of an initializer: so many workers that get it are to die before they begin.
struct Doom {
  Value<int> left;
};

bool strikes(Value<int>& left) {
  const std::scoped_lock guard(left.get_lock());
  if (left == 0) return false;
  left = left - 1;
  return true;
}

}  // namespace
}  // namespace polyproc::testing

// Under spawn and forkserver workers read it before they begin.
template <>
struct polyproc::Transfer<polyproc::testing::Doom> {
  static void encode(Encoder& out, const polyproc::testing::Doom& doom) {
    Transfer<Value<int>>::encode(out, doom.left);
  }
  static polyproc::testing::Doom decode(Decoder& in) {
    auto left = Transfer<Value<int>>::decode(in);
    if (polyproc::testing::strikes(left)) os::arm_fail_point(polyproc::testing::kPoint);
    return {left};
  }
};

namespace polyproc::testing {
namespace {

// Under fork they are born with it: the next child is.
std::atomic<bool> g_dooms_next_child{false};
void doom_next_child() {
  static const int installed = ::pthread_atfork(
      [] {
        if (g_dooms_next_child.load()) os::arm_fail_point(kPoint);
      },
      [] {
        if (g_dooms_next_child.exchange(false)) os::disarm_fail_points();
      },
      nullptr);
  ASSERT_EQ(installed, 0);
  g_dooms_next_child = true;
}

int square(int x) { return x * x; }
void count_up(const Doom& /*none*/, Value<int> ready) {
  const std::scoped_lock guard(ready.get_lock());
  ready = ready + 1;
}

class PoolWorkersThatDieAtOnce : public EachMethod {
 protected:
  static PoolOptions pool_of(int processes) { return {.processes = processes, .method = GetParam()}; }
};
POLYPROC_EACH_METHOD(PoolWorkersThatDieAtOnce);

TEST_P(PoolWorkersThatDieAtOnce, AreReplacedAndCostNoTask) {
  POLYPROC_NEEDS_FAIL_POINTS();
  const Value<int> left(1);
  if (GetParam() == StartMethod::fork) doom_next_child();
  const Value<int> ready(0);
  Pool pool(pool_of(2), count_up, Doom{left}, ready);
  const auto squares = pool.map(square, std::views::iota(0, 40), {.chunk_size = 1});
  EXPECT_EQ(std::accumulate(squares.begin(), squares.end(), 0), 20540);
  EXPECT_TRUE(wait_until([&] { return ready == 2; }));  // the one that lives, and another
  EXPECT_FALSE(g_dooms_next_child.load());
  if (GetParam() != StartMethod::fork) {
    EXPECT_EQ(left, 0);
  }
}

TEST_P(PoolWorkersThatDieAtOnce, BreakThePoolWhenAllDo) {
  POLYPROC_NEEDS_FAIL_POINTS();
  const Value<int> left(1000);
  if (GetParam() == StartMethod::fork) os::arm_fail_point(kPoint);
  {
    Pool pool(
        pool_of(2), [](const Doom&) {}, Doom{left});
    try {
      (void)pool.apply(square, 1);
      FAIL();
    } catch (const BrokenPool& error) {
      EXPECT_THAT(error.what(), ::testing::HasSubstr("before they were ready"));
    }
  }
  os::disarm_fail_points();
}

}  // namespace
}  // namespace polyproc::testing
