// SPDX-License-Identifier: MIT
// A process killed after machine instructions of putting, getting and dropping an item with a descriptor: nothing is kept,
// neither in the arena nor by the keeper.
#include <gtest/gtest.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/channel/connection.hpp>
#include <polyproc/channel/queue.hpp>
#include <polyproc/os/error.hpp>

#include <cstdint>
#include <optional>

#include "support/keepers.hpp"
#include "support/sweep.hpp"

namespace polyproc {
namespace {

using testing::Death;
using testing::Keepers;
using testing::sweep;

constexpr std::size_t kLeast = 1000;  // instructions, or it was not the operation that was swept
constexpr std::size_t kStride = 7;    // every instruction takes minutes

class SweepParcel : public ::testing::Test {
 protected:
  using Items = Queue<Connection<int>>;

  void SetUp() override {
    put_one();
    (void)sweep({.operation = [&] { put_one(); }, .verify = [&](const Death&) { (void)arena_.recover(); }});
    (void)drain();
    renew();
    blocks_ = arena_.stats().blocks;
  }

  // Each time another pipe, whose other end is kept here.
  void renew() {
    const Pipe<int> pipe;
    here_.emplace(pipe.first);
    there_.emplace(pipe.second);
  }
  void put_one() { queue_.put(*there_); }
  int drain() {
    int items = 0;
    for (; auto item = queue_.try_get(); ++items) item->send(1);
    return items;
  }
  // The survivors: what came is whole, what did not come is closed.
  void expect_whole(int least, int most) {
    (void)arena_.recover();
    const int items = drain();
    EXPECT_GE(items, least);
    EXPECT_LE(items, most);
    there_.reset();
    for (int i = 0; i < items; ++i) EXPECT_EQ(here_->recv_for(std::chrono::seconds(20)), 1);
    EXPECT_THROW((void)here_->recv_for(std::chrono::seconds(20)), EndOfFile);
    for (const std::string& error : arena_.check().errors) ADD_FAILURE() << error;
    EXPECT_EQ(arena_.stats().blocks, blocks_);
    renew();
  }

  Keepers keepers_;
  Arena arena_ = Arena::anonymous({.limit = 64u << 20});
  std::optional<Connection<int>> here_, there_;
  Items queue_{arena_};
  std::uint64_t blocks_ = 0;

 public:
  SweepParcel() { renew(); }
};

TEST_F(SweepParcel, Put) {
  EXPECT_GT(sweep({.prepare = [&] { (put_one(), (void)queue_.get()); },
                   .operation = [&] { put_one(); },
                   .verify = [&](const Death& death) { expect_whole(death.completed ? 1 : 0, 1); },
                   .stride = kStride}),
            kLeast);
}

TEST_F(SweepParcel, GetAndDrop) {
  EXPECT_GT(sweep({.prepare = [&] { put_one(); },
                   .operation = [&] { (void)queue_.get(); },
                   .verify = [&](const Death& death) { expect_whole(0, death.completed ? 0 : 1); },
                   .stride = kStride}),
            kLeast);
}

TEST_F(SweepParcel, EndOfAQueueThatHoldsDescriptors) {
  std::optional<Items> doomed;
  EXPECT_GT(sweep({.prepare =
                       [&] {
                         doomed.emplace(arena_);
                         doomed->put(*there_);
                         doomed->put(*there_);
                       },
                   .operation = [&] { doomed.reset(); },
                   .verify = [&](const Death&) { expect_whole(0, 0); },
                   .stride = kStride}),
            kLeast);
}

}  // namespace
}  // namespace polyproc
