// SPDX-License-Identifier: MIT
// A process killed after each machine instruction of a queue's operations. The survivor finds all items but at most the
// one in the dead process's hands, whole and in order, the queue works on, and the arena gets everything back.
#include <gtest/gtest.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/channel/queue.hpp>
#include <polyproc/sync/wait.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>

#include "support/sweep.hpp"
#include "sync/watch.hpp"

namespace polyproc {
namespace {

using testing::Death;
using testing::sweep;

constexpr std::size_t kLeast = 30;  // instructions, or it was not the operation that was swept

// Item `number` with its size, recognisable.
std::string item(int number, std::size_t size) {
  std::string text(size, static_cast<char>('a' + number % 26));
  return text.replace(0, std::min<std::size_t>(size, 4), std::to_string(1000 + number), 0,
                      std::min<std::size_t>(size, 4));
}

template <class Q>
class SweepQueue : public ::testing::Test {
 protected:
  void SetUp() override {
    renew(0);
    (void)sweep({.operation = [] {}, .verify = [&](const Death&) { (void)arena_.recover(); }});
    { const BlockRef any = BlockRef::create(arena_, BlockKind::bytes, {}, 64); }
    for (int i = 0; i < 8; ++i) queue_->put(item(i, 200'000));
    renew(0);
    blocks_ = arena_.stats().blocks;
  }

  // A fresh queue with items 0 .. count - 1.
  void renew(int count) {
    queue_.reset();
    arena_.recover();
    queue_ = std::make_unique<Q>(arena_);
    fill(count);
  }
  void fill(int count) {
    for (int i = 0; i < count; ++i) queue_->put(item(i, size_));
    count_ = count;
  }

  // What is in the queue are the items from `least` or the next, up to the one before `end`.
  void expect_items(int least, int most_first, int end_least, int end_most) {
    int next = -1;
    while (const auto got = queue_->try_get()) {
      if (next < 0) {
        next = *got == item(least, size_) ? least : most_first;
      }
      EXPECT_TRUE(*got == item(next, size_)) << "item " << next;
      ++next;
      if constexpr (requires { queue_->task_done(); }) queue_->task_done();
    }
    if (next < 0) next = end_least;
    EXPECT_GE(next, end_least);
    EXPECT_LE(next, end_most);
    EXPECT_TRUE(queue_->empty());
    queue_->put(item(3, 10));
    EXPECT_EQ(queue_->get(), item(3, 10));
    if constexpr (requires { queue_->task_done(); }) {
      queue_->task_done();
      EXPECT_TRUE(queue_->join_for(std::chrono::seconds(1)).has_value());
    }
  }
  void expect_whole() {
    queue_.reset();
    arena_.recover();
    const ArenaReport report = arena_.check();
    for (const std::string& error : report.errors) ADD_FAILURE() << error;
    queue_ = std::make_unique<Q>(arena_);
    EXPECT_EQ(arena_.stats().blocks, blocks_);
  }

  // `before` puts in the child, then a swept one, after `there` items of this process.
  std::size_t sweep_put(std::size_t size, int there, int before, std::size_t stride) {
    size_ = size;
    renew(there);
    const int first = there + before;
    return sweep({.prepare =
                      [this, there, first] {
                        for (int i = there; i < first; ++i) queue_->put(item(i, size_));
                      },
                  .operation = [this, first, next = item(first, size)] { queue_->put(next); },
                  .verify =
                      [&, there, first](const Death& death) {
                        expect_items(0, 0, death.completed ? first + 1 : first, first + 1);
                        expect_whole();
                        fill(there);
                      },
                  .stride = stride});
  }

  // A put into an empty queue that somebody watches, who must see it and the next one.
  std::size_t sweep_watched_put() {
    size_ = 24;
    renew(0);
    enter();
    return sweep({.prepare = [] {},
                  .operation = [this, first = item(0, size_)] { queue_->put(first); },
                  .verify =
                      [this](const Death& death) {
                        if (death.completed) {
                          EXPECT_FALSE(wait_for(*queue_, std::chrono::seconds(1)).empty());
                        }
                        while (queue_->try_get()) {
                          if constexpr (requires { queue_->task_done(); }) queue_->task_done();
                        }
                        std::thread next([this] { queue_->put(item(1, size_)); });
                        EXPECT_FALSE(wait_for(*queue_, std::chrono::seconds(1)).empty());
                        next.join();
                        expect_items(1, 1, 2, 2);
                        expect_whole();
                        enter();
                      }});
  }
  void enter() {
    const Waitable watched = queue_->waitable();
    enter_watcher(arena_.core(), std::span(&watched.object(), 1));
  }

  // The child gets `before` items, then a swept one, of `there`.
  std::size_t sweep_get(std::size_t size, int there, int before, std::size_t stride) {
    size_ = size;
    renew(there);
    return sweep({.prepare =
                      [this, before] {
                        for (int i = 0; i < before; ++i) (void)queue_->get();
                      },
                  .operation = [this] { (void)queue_->get(); },
                  .verify =
                      [&, there, before](const Death& death) {
                        const bool gone = death.completed;
                        EXPECT_GE(queue_->qsize(), static_cast<std::uint64_t>(there - before - 1));
                        if (gone) {
                          EXPECT_EQ(queue_->qsize(), static_cast<std::uint64_t>(there - before - 1));
                        }
                        expect_items(gone ? before + 1 : before, before + 1, there, there);
                        expect_whole();
                        fill(there);
                      },
                  .stride = stride});
  }

  Arena arena_ = Arena::anonymous({.limit = 256u << 20, .reserve = 0});
  std::unique_ptr<Q> queue_;
  std::size_t size_ = 24;
  int count_ = 0;
  std::uint64_t blocks_ = 0;
};

using Kinds = ::testing::Types<Queue<std::string>, JoinableQueue<std::string>>;
TYPED_TEST_SUITE(SweepQueue, Kinds);

TYPED_TEST(SweepQueue, PutOfAProducerAtWork) { EXPECT_GT(this->sweep_put(24, 0, 2, 1), kLeast); }
TYPED_TEST(SweepQueue, PutThatRingsAWatcher) { EXPECT_GT(this->sweep_watched_put(), kLeast); }
TYPED_TEST(SweepQueue, PutThatTakesTheEndOver) { EXPECT_GT(this->sweep_put(24, 3, 0, 2), kLeast); }
TYPED_TEST(SweepQueue, PutThatMakesARing) { EXPECT_GT(this->sweep_put(3000, 0, 5, 3), kLeast); }
TYPED_TEST(SweepQueue, PutOfALargeMessage) { EXPECT_GT(this->sweep_put(200'000, 0, 1, 7), kLeast); }
TYPED_TEST(SweepQueue, GetOfAConsumerAtWork) { EXPECT_GT(this->sweep_get(24, 4, 2, 1), kLeast); }
TYPED_TEST(SweepQueue, GetThatTakesTheEndOver) { EXPECT_GT(this->sweep_get(24, 4, 0, 2), kLeast); }
TYPED_TEST(SweepQueue, GetThatLeavesARing) { EXPECT_GT(this->sweep_get(3000, 8, 5, 2), kLeast); }
TYPED_TEST(SweepQueue, GetOfALargeMessage) { EXPECT_GT(this->sweep_get(200'000, 3, 1, 7), kLeast); }

using SweepJoinableQueue = SweepQueue<JoinableQueue<std::string>>;

TEST_F(SweepJoinableQueue, TaskDone) {
  size_ = 24;
  renew(3);
  EXPECT_GT(sweep({.prepare =
                       [&] {
                         (void)queue_->get();
                         (void)queue_->get();
                         queue_->task_done();
                       },
                   .operation = [&] { queue_->task_done(); },
                   .verify =
                       [&](const Death& death) {
                         (void)queue_->get();
                         queue_->task_done();
                         const auto lost = queue_->join_for(std::chrono::seconds(1));
                         ASSERT_TRUE(lost.has_value());
                         EXPECT_LE(*lost, death.completed ? 0u : 1u);
                         expect_whole();
                         fill(3);
                       }}),
            kLeast);
}

}  // namespace
}  // namespace polyproc
