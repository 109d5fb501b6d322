// SPDX-License-Identifier: MIT
// A process killed after each machine instruction of lock and unlock: the survivor gets the lock at once, and is told of
// a death whenever the dead process held it.
#include <gtest/gtest.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/sync/lock.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include "support/sweep.hpp"

namespace polyproc {
namespace {

using testing::Death;
using testing::sweep;

template <class L>
class SweepLock : public ::testing::Test {
 protected:
  void expect_free(bool must_be_told, bool may_be_told) {
    const Acquired got = lock_.acquire_checked(Deadline::after(std::chrono::seconds(1)));
    EXPECT_NE(got, Acquired::timed_out);
    if (must_be_told) {
      EXPECT_EQ(got, Acquired::owner_died);
    } else if (!may_be_told) {
      EXPECT_EQ(got, Acquired::yes);
    }
    lock_.release();
    EXPECT_FALSE(lock_.locked());
    arena_.recover();
    EXPECT_TRUE(arena_.check().clean());
  }

  Arena arena_ = Arena::anonymous({.limit = 16u << 20, .reserve = 0});
  L lock_{arena_};
};

using Kinds = ::testing::Types<Lock, RLock>;
TYPED_TEST_SUITE(SweepLock, Kinds);

TYPED_TEST(SweepLock, Acquisition) {
  EXPECT_GT(sweep({.operation = [&] { this->lock_.lock(); },
                   .verify = [&](const Death& death) { this->expect_free(death.completed, true); }}),
            20u);
}

TYPED_TEST(SweepLock, Release) {
  EXPECT_GT(sweep({.prepare = [&] { this->lock_.lock(); },
                   .operation = [&] { this->lock_.unlock(); },
                   .verify = [&](const Death& death) { this->expect_free(false, !death.completed); }}),
            10u);
}

TYPED_TEST(SweepLock, TakingOverFromADeadOwner) {
  EXPECT_GT(sweep({.prepare =
                       [&] {
                         if (::fork() == 0) {
                           this->lock_.lock();
                           ::_exit(0);
                         }
                         ::wait(nullptr);
                       },
                   .operation = [&] { (void)this->lock_.acquire_checked(); },
                   .verify = [&](const Death&) { this->expect_free(true, true); },
                   .stride = 3}),
            20u);
}

}  // namespace
}  // namespace polyproc
