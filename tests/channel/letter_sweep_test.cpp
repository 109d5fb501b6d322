// SPDX-License-Identifier: MIT
// A process killed after each machine instruction of making a queue, and of putting, getting and dropping an item that names
// shared objects: nothing is kept, nothing is released twice.
#include <gtest/gtest.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/channel/queue.hpp>
#include <polyproc/shared/value.hpp>

#include <cstdint>
#include <optional>
#include <vector>

#include "support/sweep.hpp"

namespace polyproc {
namespace {

using testing::Death;
using testing::sweep;

constexpr std::size_t kLeast = 300;  // instructions, or it was not the operation that was swept
constexpr std::size_t kStride = 5;   // every instruction takes a minute

class SweepLetter : public ::testing::Test {
 protected:
  using Items = Queue<std::vector<Value<int>>>;

  void SetUp() override {
    put_one();
    queue_.put({});
    (void)sweep({.operation = [&] { put_one(); }, .verify = [&](const Death&) { (void)arena_.recover(); }});
    drain();
    blocks_ = arena_.stats().blocks;
  }

  void put_one() { queue_.put({kept_, Value<int>(arena_, 1)}); }

  // The survivors: takes what is there, item by item, and looks at every object in it.
  int drain() {
    int items = 0;
    while (const auto item = queue_.try_get()) {
      ++items;
      if (item->empty()) continue;
      EXPECT_EQ(item->size(), 2u);
      EXPECT_EQ(item->front(), 3);
      EXPECT_EQ(item->back(), 1);
    }
    return items;
  }
  void expect_whole() {
    (void)arena_.recover();
    (void)drain();
    EXPECT_EQ(kept_, 3);
    const ArenaReport report = arena_.check();
    for (const std::string& error : report.errors) ADD_FAILURE() << error;
    EXPECT_EQ(arena_.stats().blocks, blocks_);
  }

  Arena arena_ = Arena::anonymous({.limit = 64u << 20});
  Value<int> kept_{arena_, 3};
  Items queue_{arena_};
  std::uint64_t blocks_ = 0;
};

TEST_F(SweepLetter, Put) {
  EXPECT_GT(sweep({.operation = [&] { put_one(); },
                   .verify =
                       [&](const Death& death) {
                         (void)arena_.recover();
                         const int items = drain();
                         EXPECT_LE(items, 1);
                         EXPECT_GE(items, death.completed ? 1 : 0);
                         expect_whole();
                       },
                   .stride = kStride}),
            kLeast);
}

TEST_F(SweepLetter, GetAndDrop) {
  EXPECT_GT(sweep({.prepare = [&] { put_one(); },
                   .operation = [&] { (void)queue_.get(); },
                   .verify =
                       [&](const Death& death) {
                         (void)arena_.recover();
                         const int items = drain();
                         EXPECT_LE(items, death.completed ? 0 : 1);
                         expect_whole();
                       },
                   .stride = kStride}),
            kLeast);
}

TEST_F(SweepLetter, EndOfAQueueThatHoldsObjects) {
  std::optional<Items> doomed;
  EXPECT_GT(sweep({.prepare =
                       [&] {
                         doomed.emplace(arena_);
                         doomed->put({kept_, Value<int>(arena_, 1)});
                         doomed->put({kept_});
                       },
                   .operation = [&] { doomed.reset(); },
                   .verify = [&](const Death&) { expect_whole(); },
                   .stride = kStride}),
            kLeast);
}

TEST_F(SweepLetter, MakingAQueue) {
  std::optional<Queue<int>> made;
  EXPECT_GT(sweep({.operation = [&] { made.emplace(arena_); },
                   .verify = [&](const Death&) { expect_whole(); },
                   .stride = kStride}),
            kLeast);
}

}  // namespace
}  // namespace polyproc
