// SPDX-License-Identifier: MIT
// Queues of every kind of value, and shared objects that travel in their items.
#include <gtest/gtest.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/channel/queue.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>
#include <polyproc/shared/array.hpp>
#include <polyproc/shared/value.hpp>
#include <polyproc/sync/lock.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "support/forked_child.hpp"

namespace polyproc {
namespace {

using namespace std::chrono_literals;
using testing::ForkedChild;

struct Order {
  std::uint64_t id = 0;
  std::string customer;
  std::vector<std::pair<std::string, double>> lines;
  std::optional<int> discount;
  bool operator==(const Order&) const = default;
};

const Order kOrder{7, "Ada", {{"pen", 1.5}, {"ink", 22.0}}, std::nullopt};

template <class T>
void expect_round_trip(const T& value) {
  const Arena arena = Arena::anonymous({.limit = 64 << 20});
  Queue<T> queue(arena, 100);
  JoinableQueue<T> joinable(arena);
  SimpleQueue<T> simple(arena);
  queue.put(value);
  queue.put_many(std::vector<T>{value, value});
  joinable.put(value);
  simple.put(value);
  ForkedChild child([&] {
    if (!(queue.get() == value)) ::_exit(3);
    queue.put(value);
  });
  EXPECT_EQ(child.join(), 0);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(queue.get(), value);
  queue.put(value);
  const std::vector<T> many = queue.get_many(5);
  ASSERT_EQ(many.size(), 1u);
  EXPECT_EQ(many.front(), value);
  EXPECT_EQ(joinable.get(), value);
  joinable.task_done();
  EXPECT_EQ(joinable.join(), 0u);
  EXPECT_EQ(simple.get(), value);
}

TEST(TypedQueue, CarriesWhatTheCodecKnows) {
  expect_round_trip(kOrder);
  expect_round_trip(std::vector<std::string>{"a", "", std::string(300'000, 'b')});
  expect_round_trip(std::map<std::string, std::vector<int>>{{"x", {1, 2}}, {"", {}}});
  expect_round_trip(std::set<int>{3, 1});
  expect_round_trip(std::optional<int>(4));
  expect_round_trip(std::optional<int>());
  expect_round_trip(std::variant<int, std::string>("text"));
  expect_round_trip(std::tuple<int, std::string>(1, "one"));
  expect_round_trip(std::vector<bool>{true, false});
  expect_round_trip(std::chrono::nanoseconds(12345));
}

TEST(TypedQueue, CarriesObjects) {
  expect_round_trip(Object(1));
  Object list = Object::list();
  list.append(Object("text"));
  list.append(Object(2.5));
  list.append(Object());
  expect_round_trip(list);
}

TEST(TypedQueue, OfOneTypeIsNotOpenedAsOneOfAnother) {
  const Arena arena = Arena::anonymous({.limit = 1 << 20});
  const Queue<Order> orders(arena);
  EXPECT_THROW((void)Queue<int>::from_block(orders.block()), TypeMismatch);
  EXPECT_EQ(Queue<Object>::from_block(orders.block()).block(), orders.block());  // both are Python's values
}

TEST(TypedQueue, AnItemThatCannotBeReadIsTakenAndSaysWhy) {
  const Arena arena = Arena::anonymous({.limit = 1 << 20});
  Queue<Object> objects(arena);
  auto orders = Queue<Order>::from_block(objects.block());
  objects.put(Object("no order"));
  orders.put(kOrder);
  EXPECT_THROW((void)orders.get(), DecodeError);
  EXPECT_EQ(orders.get(), kOrder);
}

// ---- shared objects in items

struct Guarded {
  Lock lock;
  Value<int> value;
  Queue<int> replies;
  std::string note;
};

TEST(QueuedHandle, NamesTheSameObjectInAnotherProcess) {
  const Arena arena = Arena::anonymous({.limit = 16 << 20});
  Queue<Guarded> queue(arena);
  const Guarded mine{Lock(arena), Value<int>(arena, 5), Queue<int>(arena), "note"};
  queue.put(mine);
  Queue<int> replies = mine.replies;
  ForkedChild child([&] {
    Guarded got = queue.get();
    const std::scoped_lock guard(got.lock);
    got.value = got.value + 1;
    got.replies.put(got.note == "note" ? 1 : 2);
  });
  EXPECT_EQ(child.join(), 0);
  EXPECT_EQ(replies.get(), 1);
  EXPECT_EQ(mine.value, 6);
}

TEST(QueuedHandle, LivesInTheItemAlone) {
  const Arena arena = Arena::anonymous({.limit = 16 << 20});
  Queue<Queue<std::string>> queue(arena);
  const auto pass_one = [&] {
    ForkedChild sender([&] {
      Queue<std::string> inner(arena);
      inner.put("from one who is gone");
      queue.put(inner);
    });
    EXPECT_EQ(sender.join(), 0);
    arena.recover();
    Queue<std::string> inner = queue.get();
    EXPECT_EQ(inner.get(), "from one who is gone");
  };
  pass_one();  // makes the tables that stay
  const std::uint64_t blocks = arena.stats().blocks;
  pass_one();
  EXPECT_EQ(arena.stats().blocks, blocks);
  EXPECT_TRUE(arena.check().clean());
}

TEST(QueuedHandle, IsReleasedWithAnItemThatNobodyGets) {
  const Arena arena = Arena::anonymous({.limit = 16 << 20});
  const auto drop_some = [&] {
    Queue<Lock> dropped(arena);
    Queue<Lock> shut_down(arena);
    JoinableQueue<Lock> joinable(arena);
    for (int i = 0; i < 10; ++i) {
      dropped.put(Lock(arena));
      shut_down.put(Lock(arena));
      joinable.put(Lock(arena));
    }
    EXPECT_GE(arena.stats().blocks, 60u);
    shut_down.shutdown(true);
  };
  drop_some();  // makes the tables that stay
  const std::uint64_t before = arena.stats().blocks;
  drop_some();
  EXPECT_EQ(arena.stats().blocks, before);
  EXPECT_TRUE(arena.check().clean());
}

TEST(QueuedHandle, TwiceInAnItemIsOneObject) {
  const Arena arena = Arena::anonymous({.limit = 16 << 20});
  Queue<std::vector<Value<int>>> queue(arena);
  {
    const Value<int> one(arena, 1);
    queue.put({one, one, Value<int>(arena, 2)});
    queue.put_many(std::vector<std::vector<Value<int>>>{{one}, {}, {one}});
  }
  const auto got = queue.get();
  ASSERT_EQ(got.size(), 3u);
  EXPECT_EQ(got[0], got[1]);
  EXPECT_EQ(got[2], 2);
  EXPECT_EQ(queue.get_many(3).size(), 3u);
}

TEST(QueuedHandle, OfAnotherArenaIsRefusedByTheSender) {
  const Arena arena = Arena::anonymous({.limit = 1 << 20});
  const Arena other = Arena::anonymous({.limit = 1 << 20});
  Queue<Lock> queue(arena);
  try {
    queue.put(Lock(other));
    ADD_FAILURE() << "was accepted";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("make both in the same arena"), std::string::npos)
        << error.what();
  }
  EXPECT_TRUE(queue.empty());
  EXPECT_TRUE(arena.check().clean());
}

TEST(QueuedHandle, OfAnotherTypeIsRefusedByTheReceiver) {
  const Arena arena = Arena::anonymous({.limit = 1 << 20});
  Queue<Value<int>> values(arena);
  auto locks = Queue<Lock>::from_block(values.block());
  values.put(Value<int>(arena, 1));
  EXPECT_THROW((void)locks.get(), TypeMismatch);
}

// Sender and receiver are killed at each step; nothing that they held is lost or released twice.
class QueuedHandleDeath : public ::testing::Test {
 protected:
  void SetUp() override {
#if !POLYPROC_FAIL_POINTS
    GTEST_SKIP() << "no fail points in this build";
#endif
    warm(), warm();
  }

  void warm() {
    ForkedChild child([&] { run(); });
    EXPECT_EQ(child.join(), 0);
    arena_.recover();
    blocks_ = arena_.stats().blocks;
  }

  void run() {
    queue_.put({kept_, Value<int>(arena_, 1), kept_});
    (void)queue_.get();
    queue_.put({kept_});
    queue_.put({Value<int>(arena_, 2)});
  }

  void drain() {
    while (const auto item = queue_.try_get()) {
      for (const Value<int>& value : *item) EXPECT_LE(value, 3);
    }
  }

  Arena arena_ = Arena::anonymous({.limit = 64 << 20});
  Value<int> kept_{arena_, 3};
  Queue<std::vector<Value<int>>> queue_{arena_};
  std::uint64_t blocks_ = 0;
};

TEST_F(QueuedHandleDeath, AtEachStepLosesAndKeepsNothing) {
  drain();
  blocks_ = arena_.stats().blocks;
  std::set<std::string> seen;
  for (const std::string point :
       {"letter.empty", "letter.reference_added", "letter.reference_taken", "queue.put.message_named",
        "queue.put.before_commit", "queue.put.committed", "queue.get.copied", "queue.get.before_commit",
        "queue.get.committed", "references.contents_released", "references.created", "transaction.logged",
        "transaction.before_commit", "transaction.committed"}) {
    for (std::uint32_t countdown = 1; countdown <= 40; ++countdown) {
      ForkedChild child([&] {
        os::arm_fail_point(point, countdown);
        run();
        drain();
      });
      const int code = child.join();
      ASSERT_TRUE(code == 0 || code == -SIGKILL) << point;
      arena_.recover();
      drain();
      EXPECT_EQ(kept_, 3);
      ASSERT_EQ(arena_.stats().blocks, blocks_) << point << " " << countdown;
      ASSERT_TRUE(arena_.check().clean()) << point << " " << countdown;
      if (code == 0) break;
      seen.insert(point);
    }
  }
  EXPECT_EQ(seen.size(), 14u);
}

}  // namespace
}  // namespace polyproc
