// SPDX-License-Identifier: MIT
// Sleeping on a word that processes share.
#include "os/futex.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <limits>

#include "support/forked_child.hpp"

namespace polyproc {
namespace {

using namespace std::chrono_literals;
using testing::ForkedChild;
using testing::SharedPage;

TEST(Futex, ReturnsAtOnceWhenTheWordIsAnother) {
  std::atomic<std::uint32_t> word{1};
  const auto start = std::chrono::steady_clock::now();
  os::futex_wait(word, 2, 20s);
  EXPECT_LT(testing::seconds_since(start), 10);
}

TEST(Futex, ReturnsAtItsTimeout) {
  std::atomic<std::uint32_t> word{1};
  const auto start = std::chrono::steady_clock::now();
  os::futex_wait(word, 1, 5ms);
  EXPECT_GE(testing::seconds_since(start), 0.005);
  os::futex_wait(word, 1, 0ns);
  os::futex_wait(word, 1, -1ns);
}

TEST(Futex, LeavesErrnoAlone) {
  std::atomic<std::uint32_t> word{1};
  errno = ENOTTY;
  os::futex_wait(word, 1, 1ms);
  os::futex_wait(word, 2, 1ms);
  EXPECT_EQ(os::futex_wake(word, 1), 0);
  EXPECT_EQ(errno, ENOTTY);
}

TEST(Futex, WakesASleeperInAnotherProcess) {
  SharedPage<std::atomic<std::uint32_t>> word;
  ForkedChild child([&] {
    while (word->load() == 0) os::futex_wait(*word, 0, 20s);
  });
  ASSERT_TRUE(testing::wait_until_asleep(child.pid()));
  word->store(1);
  EXPECT_EQ(os::futex_wake(*word, std::numeric_limits<int>::max()), 1);
  EXPECT_EQ(child.join(), 0);
}

TEST(Futex, OfALongWordLooksAtItsLowHalf) {
  SharedPage<std::atomic<std::uint64_t>> word;
  word->store(std::uint64_t{7} << 32 | 3);
  ForkedChild child([&] {
    while ((word->load() & 0xffffffff) == 3) os::futex_wait(*word, 3, 20s);
  });
  ASSERT_TRUE(testing::wait_until_asleep(child.pid()));
  word->store(std::uint64_t{7} << 32 | 4);
  EXPECT_EQ(os::futex_wake(*word, 1), 1);
  EXPECT_EQ(child.join(), 0);
}

}  // namespace
}  // namespace polyproc
