// SPDX-License-Identifier: MIT
// A process killed after each machine instruction of a release while another one stands in the lock's order, and dies as well: whoever
// comes gets the lock.
#include <gtest/gtest.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/sync/lock.hpp>

#include <chrono>
#include <memory>

#include "support/forked_child.hpp"
#include "support/sweep.hpp"
#include "sync/lock_state.hpp"

namespace polyproc {
namespace {

using testing::Death;
using testing::ForkedChild;
using testing::sweep;

TEST(SweepLockOrder, Release) {
  const Arena arena = Arena::anonymous({.limit = 16u << 20, .reserve = 0});
  Lock lock(arena);
  const auto& state = *reinterpret_cast<const LockState*>(lock.block().data());
  std::unique_ptr<ForkedChild> waiter;  // of the child, with which it ends
  const auto prepare = [&] {
    lock.lock();
    waiter = std::make_unique<ForkedChild>([&] {
      lock.lock();
      for (;;) ::pause();
    });
    while (state.waiters.first == 0) ::sched_yield();
  };
  const auto verify = [&](const Death&) {
    // The first may hear of the death, and leaves the lock to the dead one whose turn it would be; the second finds that out.
    for (int i = 0; i < 2; ++i) {
      EXPECT_NE(lock.acquire_checked(Deadline::after(std::chrono::seconds(1))), Acquired::timed_out);
      lock.release();
      EXPECT_FALSE(lock.locked());
    }
    EXPECT_EQ(state.waiters.first, 0u);
    arena.recover();
    EXPECT_TRUE(arena.check().clean());
  };
  EXPECT_GT(sweep({.prepare = prepare, .operation = [&] { lock.release(); }, .verify = verify, .stride = 2}),
            30u);
}

}  // namespace
}  // namespace polyproc
