// SPDX-License-Identifier: MIT
// Deadlines: every wait of the library trusts these few lines not to overflow and not to follow the wall clock.
#include <gtest/gtest.h>

#include <polyproc/os/deadline.hpp>

namespace polyproc {
namespace {

using namespace std::chrono_literals;
using Clock = Deadline::Clock;

TEST(Deadline, NeverDoesNotPassAndLeavesTheWholeSlice) {
  EXPECT_TRUE(Deadline::never().is_never());
  EXPECT_FALSE(Deadline::never().passed());
  EXPECT_EQ(Deadline::never().remaining(7ms), 7ms);
}

TEST(Deadline, NowHasPassedAndLeavesNothing) {
  EXPECT_TRUE(Deadline::now().is_now());
  EXPECT_TRUE(Deadline::now().passed());
  EXPECT_EQ(Deadline::now().remaining(7ms), 0ms);
}

TEST(Deadline, OfNoTimeOrLessMeansLookOnce) {
  EXPECT_TRUE(Deadline::after(0s).is_now());
  EXPECT_TRUE(Deadline::after(-5s).is_now());
  EXPECT_TRUE(Deadline::after(std::chrono::duration<double>(-1e300)).is_now());
}

TEST(Deadline, BeyondTheClockMeansNever) {
  EXPECT_TRUE(Deadline::after(std::chrono::hours::max()).is_never());
  EXPECT_TRUE(Deadline::after(std::chrono::nanoseconds::max()).is_never());
  EXPECT_TRUE(Deadline::after(std::chrono::duration<double>(1e300)).is_never());
}

TEST(Deadline, IsRoundedUpSoThatAWaitIsNeverTooShort) {
  const auto before = Clock::now();
  const Deadline deadline = Deadline::after(std::chrono::duration<double, std::nano>(0.25));
  EXPECT_FALSE(deadline.is_now());
  EXPECT_GT(deadline, Deadline::at(before));
}

TEST(Deadline, RemainingIsAtMostTheSliceAndNeverNegative) {
  EXPECT_EQ(Deadline::after(1h).remaining(3ms), 3ms);
  EXPECT_LE(Deadline::after(2ms).remaining(1h), 2ms);
  EXPECT_EQ(Deadline::at(Clock::now() - 1s).remaining(1h), 0ms);
  EXPECT_TRUE(Deadline::at(Clock::now() - 1s).passed());
}

TEST(Deadline, OfAnotherClockIsTranslatedWhenItIsMade) {
  const Deadline deadline = Deadline::at(std::chrono::system_clock::now() + 1h);
  EXPECT_GT(deadline, Deadline::after(59min));
  EXPECT_LT(deadline, Deadline::after(61min));
  EXPECT_TRUE(Deadline::at(std::chrono::system_clock::now() - 1h).is_now());
}

TEST(Deadline, EarlierIsLess) {
  EXPECT_LT(Deadline::now(), Deadline::after(1s));
  EXPECT_LT(Deadline::after(1s), Deadline::after(2s));
  EXPECT_LT(Deadline::after(2s), Deadline::never());
}

}  // namespace
}  // namespace polyproc
