// SPDX-License-Identifier: MIT
// Queues among children of every start method, to which the handle is passed as an argument; consumers and producers
// that are killed.
#include <polyproc/channel/queue.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/shared/value.hpp>

#include <set>
#include <string>

#include "support/forked_child.hpp"
#include "support/start_methods.hpp"

namespace polyproc::testing {
namespace {

class QueueUnder : public EachMethod {};
class SimpleQueueUnder : public EachMethod {};
class JoinableQueueUnder : public EachMethod {};

constexpr int kItems = 3000;

void produce(Queue<int> queue, int first) {
  for (int i = 0; i < kItems; ++i) queue.put(first + i);
}

// Hands on what it gets until the queue is shut down and drained.
void hand_on(Queue<int> from, Queue<int> to) {
  for (const int item : from) to.put(item);
}

TEST_P(QueueUnder, GivesEachItemToOneConsumer) {
  Queue<int> in(64), out;
  Process one = started(hand_on, in, out);
  Process two = started(hand_on, in, out);
  Process producer = started(produce, in, 0);
  produce(in, kItems);
  expect_done(producer);
  in.shutdown();
  expect_done(one);
  expect_done(two);
  std::set<int> seen;
  while (const auto item = out.try_get()) EXPECT_TRUE(seen.insert(*item).second) << *item;
  EXPECT_EQ(seen.size(), std::size_t{2 * kItems});
}

TEST_P(QueueUnder, CarriesTextOfAnyLength) {
  Queue<std::string> there, back;
  Process echo = started(
      [](Queue<std::string> from, Queue<std::string> to) {
        for (const std::string& text : from) to.put(text);
      },
      there, back);
  for (const std::size_t size : {0u, 1u, 100u, 5000u, 200'000u, 3'000'000u}) {
    const std::string text(size, 't');
    there.put(text);
    EXPECT_EQ(back.get_for(kLong), text) << size;
  }
  there.shutdown();
  expect_done(echo);
}

TEST_P(QueueUnder, KeepsWhatAProducerPutThatHasEnded) {
  Queue<int> queue;
  Process producer = started(produce, queue, 0);
  expect_done(producer);
  EXPECT_EQ(queue.qsize(), std::uint64_t{kItems});
  for (int i = 0; i < kItems; ++i) ASSERT_EQ(queue.get(), i);
}

void announce_and_hand_on(Queue<int> from, Queue<int> to, Queue<int> said) {
  said.put(::getpid());
  hand_on(from, to);
}

TEST_P(QueueUnder, ServesTheOthersWhenAConsumerIsKilledAsleep) {
  Queue<int> in, out, said;
  Process killed = started(announce_and_hand_on, in, out, said);
  ASSERT_TRUE(wait_until_asleep(take(said)));
  Process living = started(announce_and_hand_on, in, out, said);
  ASSERT_TRUE(wait_until_asleep(take(said)));
  killed.kill();
  killed.join();
  for (int i = 1; i <= 100; ++i) {
    in.put(i);
    ASSERT_EQ(take(out), i);
  }
  in.shutdown();
  expect_done(living);
}

TEST_P(QueueUnder, LosesAtMostTheItemInTheHandsOfAKilledConsumer) {
  Queue<int> in(16), out;
  Process killed = started(hand_on, in, out);
  Process living = started(hand_on, in, out);
  Process producer = started(produce, in, 0);
  ASSERT_TRUE(wait_until([&] { return out.qsize() > 200; }));
  killed.kill();
  killed.join();
  expect_done(producer);
  in.shutdown();
  expect_done(living);
  std::set<int> seen;
  while (const auto item = out.try_get()) EXPECT_TRUE(seen.insert(*item).second) << *item;
  EXPECT_GE(seen.size(), std::size_t{kItems - 1});
}

TEST_P(QueueUnder, GoesOnAfterAProducerWasKilled) {
  Queue<int> queue(16);
  Process killed = started(
      [](Queue<int> theirs) {
        for (;;) theirs.put(1);
      },
      queue);
  for (int i = 0; i < 500; ++i) ASSERT_EQ(take(queue), 1);
  killed.kill();
  killed.join();
  while (queue.try_get()) {
  }
  Process living = started([](Queue<int> theirs) { theirs.put(2); }, queue);
  EXPECT_EQ(take(queue), 2);
  expect_done(living);
}

POLYPROC_EACH_METHOD(QueueUnder);

TEST_P(SimpleQueueUnder, PassesItemsBothWays) {
  SimpleQueue<std::string> there, back;
  Process echo = started(
      [](SimpleQueue<std::string> from, SimpleQueue<std::string> to) {
        for (int i = 0; i < 100; ++i) to.put(from.get() + "!");
      },
      there, back);
  for (int i = 0; i < 100; ++i) {
    there.put(std::to_string(i));
    EXPECT_EQ(back.get_for(kLong), std::to_string(i) + "!");
  }
  expect_done(echo);
}

TEST_P(SimpleQueueUnder, ServesTheOthersWhenAConsumerIsKilled) {
  SimpleQueue<int> queue;
  Queue<int> said;
  const auto wait = [](SimpleQueue<int> theirs, Queue<int> answer) {
    answer.put(::getpid());
    answer.put(theirs.get());
  };
  Process killed = started(+wait, queue, said);
  ASSERT_TRUE(wait_until_asleep(take(said)));
  Process living = started(+wait, queue, said);
  ASSERT_TRUE(wait_until_asleep(take(said)));
  killed.kill();
  killed.join();
  queue.put(7);
  EXPECT_EQ(take(said), 7);
  expect_done(living);
}

POLYPROC_EACH_METHOD(SimpleQueueUnder);

void work_off(JoinableQueue<int> queue) {
  for ([[maybe_unused]] const int item : queue) queue.task_done();
}

TEST_P(JoinableQueueUnder, JoinWaitsForAllThatWasPut) {
  JoinableQueue<int> queue;
  for (int i = 0; i < 500; ++i) queue.put(i);
  Process one = started(work_off, queue);
  Process two = started(work_off, queue);
  EXPECT_EQ(queue.join_for(kLong), 0u);
  EXPECT_TRUE(queue.empty());
  queue.shutdown();
  expect_done(one);
  expect_done(two);
}

TEST_P(JoinableQueueUnder, JoinTellsWhatAKilledConsumerHadInHand) {
  JoinableQueue<int> queue;
  Queue<int> said;
  for (int i = 0; i < 10; ++i) queue.put(i);
  Process killed = started(
      [](JoinableQueue<int> theirs, Queue<int> answer) {
        (void)theirs.get();
        theirs.task_done();
        for (int i = 0; i < 3; ++i) (void)theirs.get();
        answer.put(1);
        wait_for_ever();
      },
      queue, said);
  ASSERT_EQ(take(said), 1);
  killed.kill();
  killed.join();
  Process living = started(work_off, queue);
  EXPECT_EQ(queue.join_for(kLong), 3u);
  EXPECT_EQ(queue.join_for(kLong), 0u);
  queue.shutdown();
  expect_done(living);
}

POLYPROC_EACH_METHOD(JoinableQueueUnder);

}  // namespace
}  // namespace polyproc::testing
