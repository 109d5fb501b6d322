// SPDX-License-Identifier: MIT
// A process killed at each named step of the arena: the others go on, and what it held comes back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "arena/robust_word.hpp"
#include "arena/support.hpp"
#include "support/kill.hpp"

namespace polyproc {
namespace {

using namespace testing;
using namespace std::chrono_literals;
using ::testing::IsSubsetOf;

// The complete list of the arena's fail points: ArenaFailPoints.AreAllListed.
const std::vector<std::string> kPoints{
    "named.before_link",         "page_heap.before_punch",       "page_heap.punched",
    "page_heap.reserved",        "process_slots.child_prepared", "recovery.reference_taken",
    "recovery.slot_emptied",     "references.contents_released", "references.created",
    "robust_word.after_sleep",   "robust_word.before_sleep",     "robust_word.before_wake",
    "transaction.before_commit", "transaction.committed",        "transaction.logged",
    "transaction.rolling_back"};

// Passes every fail point of the arena, or dies on the way.
void do_everything(const Arena& arena, const BlockRef& shared) {
  const BlockRef small = make_bytes(arena, 100);
  {
    const BlockRef large = make_bytes(arena, 5 * kMiB);
  }  // reserved outside of the lock, given back in steps
  const BlockRef same = open_bytes(shared.handle());
  arena.publish("mine", small);
  ForkedChild victim([&] {
    const BlockRef own = make_bytes(arena, 500);
    os::arm_fail_point("transaction.before_commit");  // leaves something to be taken back
    (void)make_bytes(arena, 6000);
  });
  victim.join();
  (void)arena.withdraw("mine");
  ForkedChild child([&] { (void)make_bytes(arena, 10); });
  child.join();
  (void)arena.recover();
  { const Arena named = Arena::open_or_create("everything", {.limit = 8 * kMiB}); }
  RobustWord& word = *reinterpret_cast<RobustWord*>(shared.data());
  for (int i = 0; i < 2; ++i) {
    // The two do not meet at every try, but the one who sleeps passes before and after, and the other wakes it.
    (void)acquire(word, arena.core(), Deadline::after(20s), kInternalPatience);
    ForkedChild sleeper([&] {
      (void)acquire(word, arena.core(), Deadline::after(20s), kInternalPatience);
      release(word);
    });
    (void)wait_until([&] { return (word.value.load() & kWaitersBit) != 0; });
    if (i == 0) release(word);
  }
  release(word);  // before there is a holder, which would sleep otherwise, and be killed in our place
  ForkedChild holder([&] {
    (void)acquire(word, arena.core(), Deadline::after(20s), kInternalPatience);
    (void)wait_until([&] { return (word.value.load() & kWaitersBit) != 0; });  // until it is slept upon
    release(word);
  });
  (void)wait_until([&] { return word.value.load() != 0; });
  (void)acquire(word, arena.core(), Deadline::after(20s), kInternalPatience);
  release(word);
}

class ArenaFailPoints : public ::testing::TestWithParam<std::tuple<std::string, std::uint32_t>> {
 protected:
  void SetUp() override { POLYPROC_NEEDS_FAIL_POINTS(); }
  void TearDown() override { (void)Arena::clean(); }

  Arena arena_ = Arena::anonymous({.limit = 64 * kMiB});
  BlockRef shared_ = make_bytes(arena_, 64);
};

TEST_P(ArenaFailPoints, KillNobodyElse) {
  const auto& [point, countdown] = GetParam();
  warm_up(arena_);
  const auto blocks = arena_.stats().blocks;
  const bool killed = killed_at(
      point, [&] { do_everything(arena_, shared_); }, countdown);
  EXPECT_TRUE(killed || countdown > 1) << "was not passed";

  const auto start = std::chrono::steady_clock::now();
  fill(make_bytes(arena_, 100), 1);
  RobustWord& word = *reinterpret_cast<RobustWord*>(shared_.data());
  EXPECT_NE(acquire(word, arena_.core(), Deadline::after(5s), kInternalPatience), Claim::timed_out);
  release(word);
  EXPECT_LT(seconds_since(start), 1);

  // The children of the dead end with it, a moment later.
  EXPECT_TRUE(wait_until([&] { return arena_.recover() == 0 && arena_.stats().processes == 1; }));
  (void)arena_.withdraw("mine");
  expect_clean(arena_);
  EXPECT_EQ(arena_.stats().blocks, blocks);
  EXPECT_EQ(arena_.stats().processes, 1u);
  if (const auto left = Arena::list(); !left.empty()) expect_clean(Arena::open(left.front().name));
}

INSTANTIATE_TEST_SUITE_P(Each, ArenaFailPoints,
                         ::testing::Combine(::testing::ValuesIn(kPoints), ::testing::Values(1u, 2u, 5u, 20u)),
                         [](const auto& each) {
                           std::string name =
                               std::get<0>(each.param) + "_" + std::to_string(std::get<1>(each.param));
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

TEST(ArenaFailPointList, IsComplete) {
  POLYPROC_NEEDS_FAIL_POINTS();
  const Arena arena = Arena::anonymous({.limit = 64 * kMiB});
  ForkedChild child([&] {
    const BlockRef shared = make_bytes(arena, 64);
    do_everything(arena, shared);
    std::vector<std::string> passed = os::fail_points_passed();
    std::erase_if(passed, [](const std::string& name) { return name.starts_with("test."); });
    EXPECT_THAT(passed, IsSubsetOf(kPoints));
    return ::testing::Test::HasFailure() ? 1 : 0;
  });
  EXPECT_EQ(child.join(), 0);
  (void)Arena::clean();
}

}  // namespace
}  // namespace polyproc
