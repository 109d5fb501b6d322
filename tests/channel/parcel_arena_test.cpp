// SPDX-License-Identifier: MIT
// Shared objects of other arenas in items of queues.
#include <string>
#include <vector>

#include <polyproc/shared/value.hpp>

#include "parcel_support.hpp"

namespace polyproc {
namespace {

using namespace testing;
using namespace std::chrono_literals;

class ParcelOfAnotherArena : public Parcel {
 protected:
  ~ParcelOfAnotherArena() override {
    close_links();
    EXPECT_TRUE(wait_until([] {
      (void)Arena::clean();
      return Arena::list().empty();
    }));
  }
};

TEST_F(ParcelOfAnotherArena, AnObjectOfANamedArenaIsHeldByTheItem) {
  Queue<std::vector<Value<int>>> queue(arena_);
  ForkedChild sender([&] {
    const Arena shelf = Arena::create("shelf", {.limit = 4 << 20});
    const Value<int> first(shelf, 1);
    queue.put({first, Value<int>(arena_, 2), Value<int>(shelf, 3), first});
  });
  EXPECT_EQ(sender.join(), 0);
  arena_.recover();
  EXPECT_THROW(Arena::remove("shelf"), UsageError);  // the item refers to it
  {
    const auto got = queue.get();
    ASSERT_EQ(got.size(), 4u);
    EXPECT_EQ(got[0], 1);
    EXPECT_EQ(got[1], 2);
    EXPECT_EQ(got[2], 3);
    EXPECT_EQ(got[0].block(), got[3].block());
    const Arena shelf = got[0].block().arena();
    EXPECT_EQ(shelf.stats().processes, 1u);  // what held them on the way is gone
    EXPECT_TRUE(shelf.check().clean());
  }
  Arena::remove("shelf");
}

TEST_F(ParcelOfAnotherArena, IsReleasedWithAnItemThatNobodyGets) {
  const Arena shelf = Arena::create("shelf", {.limit = 4 << 20});
  const auto put_and_drop = [&] {
    Queue<Value<int>> queue(arena_);
    for (int i = 0; i < 10; ++i) queue.put(Value<int>(shelf, i));
    EXPECT_GE(shelf.stats().blocks, 10u);
  };
  const auto drop_all = [&] {
    put_and_drop();
    EXPECT_TRUE(wait_until([&] {
      shelf.recover();
      return shelf.stats().processes == 1;
    }));
  };
  drop_all();  // makes the tables that stay
  const std::uint64_t blocks = shelf.stats().blocks;
  drop_all();
  EXPECT_EQ(shelf.stats().blocks, blocks);
  EXPECT_TRUE(shelf.check().clean());
}

TEST_F(ParcelOfAnotherArena, TheKeeperIsNoReasonToKeepANamedArena) {
  Pipe<int> pipe;
  ForkedChild sender([&] {
    const Arena shelf = Arena::create("shelf", {.limit = 4 << 20});
    Ends queue(shelf, "ends");
    queue.put(pipe.second);
  });
  EXPECT_EQ(sender.join(), 0);
  pipe.second.close();
  EXPECT_EQ(Arena::clean(), 1u);
  expect_closed(pipe.first);
  EXPECT_TRUE(wait_until([] { return Keepers::count() == 0; }));
}

TEST_F(ParcelOfAnotherArena, OfOneWithoutANameIsRefusedByTheSender) {
  const Arena other = Arena::anonymous({.limit = 1 << 20});
  Queue<Value<int>> queue(arena_);
  EXPECT_THROW(queue.put(Value<int>(other, 1)), UsageError);
  EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace polyproc
