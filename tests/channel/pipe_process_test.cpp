// SPDX-License-Identifier: MIT
// Pipes between processes, under every start method: what a child gets and what it does not, several processes on one
// end, and ends whose processes are killed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <polyproc/polyproc.hpp>

#include "channel/message_tail.hpp"
#include "support/forked_child.hpp"
#include "support/kill.hpp"
#include "support/start_methods.hpp"

namespace polyproc::testing {
namespace {

class PipeUnder : public EachMethod {};

constexpr std::size_t kLarge = 3'000'000;

std::string text_of(int number, std::size_t size) {
  return std::to_string(number) + std::string(size, static_cast<char>('a' + number % 26));
}

bool is_whole(const std::string& text) {
  const std::size_t begin = text.find_first_not_of("0123456789");
  return begin == std::string::npos || text.find_first_not_of(text[begin], begin) == std::string::npos;
}

void echo(Connection<std::string> connection) {
  try {
    for (;;) connection.send(connection.recv());
  } catch (const EndOfFile&) {
  }
}

TEST_P(PipeUnder, CarriesMessagesOfAnyLengthThereAndBack) {
  Pipe<std::string> pipe;
  Process child(
      options(),
      +[](Connection<std::string> mine, Connection<std::string> others) {
        others.close();  // a forked child has it, whether it was given or not
        echo(std::move(mine));
      },
      pipe.second, pipe.first);
  child.start();
  pipe.second.close();
  for (const std::size_t size : {0u, 1u, 100u, 65'536u, 82'000u, 3'000'000u}) {
    const std::string text(size, 't');
    pipe.first.send(text);
    EXPECT_EQ(pipe.first.recv_for(kLong), text) << size;
  }
  child.kill();
  EXPECT_THROW((void)pipe.first.recv_for(kLong), EndOfFile);
  EXPECT_THROW(pipe.first.send("x"), EndOfFile);
  end(child);
}

TEST_P(PipeUnder, GoesInsideArgumentsAndAsADaemonsArgument) {
  Pipe<int> pipe(false);
  const std::map<std::string, std::vector<Connection<int>>> ends{{"both", {pipe.second, pipe.second}}};
  Process child(
      daemon_options(),
      +[](const std::map<std::string, std::vector<Connection<int>>>& given) {
        for (const auto& each : given.at("both")) each.send(static_cast<int>(given.at("both").size()));
      },
      ends);
  child.start();
  EXPECT_EQ(pipe.first.recv_for(kLong), 2);
  EXPECT_EQ(pipe.first.recv_for(kLong), 2);
  expect_done(child);
}

TEST_P(PipeUnder, ManyEndsGoToOneChild) {
  std::vector<Pipe<int>> pipes(100);
  std::vector<Connection<int>> ends;
  for (const auto& pipe : pipes) ends.push_back(pipe.second);
  Process child = started(
      +[](std::vector<Connection<int>> all) {
        for (std::size_t i = 0; i < all.size(); ++i) all[i].send(static_cast<int>(i));
      },
      ends);
  for (std::size_t i = 0; i < pipes.size(); ++i)
    EXPECT_EQ(pipes[i].first.recv_for(kLong), static_cast<int>(i));
  expect_done(child);
}

TEST_P(PipeUnder, AChildStartedAnewKeepsNothingThatItWasNotGiven) {
  if (GetParam() == StartMethod::fork) GTEST_SKIP() << "a forked child has copies of all";
  Pipe<int> given, other;
  Queue<int> said;
  Process child = started(
      +[](Connection<int> mine, Queue<int> answer) {
        answer.put(mine.fileno());
        wait_for_ever();
      },
      given.second, said);
  EXPECT_GE(take(said), 0);
  other.second.close();
  EXPECT_THROW((void)other.first.recv_for(kLong), EndOfFile);
  given.second.close();
  EXPECT_FALSE(given.first.poll());  // it lives in the child
  child.kill();
  EXPECT_THROW((void)given.first.recv_for(kLong), EndOfFile);
  end(child);
}

TEST_P(PipeUnder, AConnectionTravelsThroughAConnection) {
  Pipe<Connection<std::string>> carrier;
  Process child = started(
      +[](Connection<Connection<std::string>> mine) { mine.recv().send("from the child"); }, carrier.second);
  Pipe<std::string> inner;
  carrier.first.send(inner.second);
  EXPECT_EQ(inner.first.recv_for(kLong), "from the child");
  expect_done(child);
  inner.second.close();
  EXPECT_THROW((void)inner.first.recv_for(kLong), EndOfFile);
}

TEST_P(PipeUnder, ASentDescriptorLeadsToTheSameFile) {
  Pipe<os::Fd> pipe;
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const os::Fd reading(ends[0]);
  os::Fd writing(ends[1]);
  Process child = started(
      +[](Connection<os::Fd> mine) {
        const os::Fd file = mine.recv();
        if (::write(file.get(), "w", 1) != 1) exit_process(3);
      },
      pipe.second);
  pipe.first.send(writing);
  char got = 0;
  EXPECT_EQ(::read(reading.get(), &got, 1), 1);
  EXPECT_EQ(got, 'w');
  expect_done(child);
}

TEST_P(PipeUnder, SharedObjectsTravelThroughAConnection) {
  Pipe<Queue<int>> pipe;
  Queue<int> queue;
  Process child = started(
      +[](Connection<Queue<int>> mine) {
        Queue<int> theirs = mine.recv();
        theirs.put(theirs.get() + 1);
        mine.send(Queue<int>());
      },
      pipe.second);
  queue.put(1);
  pipe.first.send(queue);
  Queue<int> made_there = pipe.first.recv();  // by a process that may have ended
  expect_done(child);
  EXPECT_EQ(take(queue), 2);
  made_there.put(3);
  EXPECT_EQ(take(made_there), 3);
}

void send_numbers(Connection<std::string> connection, int first) {
  for (int i = 0; i < 200; ++i)
    connection.send(text_of(first + i, i % 20 == 0 ? 150'000 : static_cast<std::size_t>(i)));
}

void count_whole(Connection<std::string> connection, Queue<int> seen) {
  for (;;) {
    const std::string text = connection.recv();
    if (!is_whole(text)) exit_process(3);
    if (text.empty()) return;
    seen.put(std::atoi(text.c_str()));
  }
}

TEST_P(PipeUnder, MessagesStayWholeWithSeveralProcessesOnEachEnd) {
  Pipe<std::string> pipe(false);
  Queue<int> seen;
  Process r1 = started(count_whole, pipe.first, seen), r2 = started(count_whole, pipe.first, seen);
  Process s1 = started(send_numbers, pipe.second, 0), s2 = started(send_numbers, pipe.second, 1000);
  expect_done(s1);
  expect_done(s2);
  for (int i = 0; i < 2; ++i) pipe.second.send("");
  expect_done(r1);
  expect_done(r2);
  std::set<int> all;
  while (const auto number = seen.try_get()) EXPECT_TRUE(all.insert(*number).second) << *number;
  EXPECT_EQ(all.size(), 400u);
}

TEST_P(PipeUnder, GoesOnWhenOneOfSeveralProcessesOnAnEndIsKilled) {
  Pipe<std::string> pipe(false);
  Process living = started(send_numbers, pipe.second, 0);
  Process killed = started(
      +[](Connection<std::string> mine) {
        for (int i = 5000;; ++i) mine.send(text_of(i, static_cast<std::size_t>(i % 3) * 100'000));
      },
      pipe.second);
  pipe.second.close();
  int of_killed = 0;
  std::set<int> of_living;
  while (of_killed < 50) {
    const auto text = pipe.first.recv_for(kLong);
    ASSERT_TRUE(text && is_whole(*text));
    const int number = std::atoi(text->c_str());
    number >= 5000 ? void(++of_killed) : void(of_living.insert(number));
  }
  killed.kill();
  try {
    for (;;) {
      const auto text = pipe.first.recv_for(kLong);
      ASSERT_TRUE(text && is_whole(*text));
      if (const int number = std::atoi(text->c_str()); number < 5000) of_living.insert(number);
    }
  } catch (const EndOfFile&) {
  }
  EXPECT_EQ(of_living.size(), 200u);
  expect_done(living);
  end(killed);
}

POLYPROC_EACH_METHOD(PipeUnder);

// ---- killed at each step of a large message

TEST(PipeDeath, ASenderKilledAtAnyStepLeavesWholeMessagesAndTheEnd) {
  POLYPROC_NEEDS_FAIL_POINTS();
  for (const char* point : {"connection.tail_written", "connection.sent"}) {
    for (const unsigned countdown : {1u, 2u}) {
      Pipe<std::string> pipe;
      ASSERT_TRUE(killed_at(
          point,
          [&] {
            pipe.first.close();
            for (int i = 0; i < 3; ++i) pipe.second.send(text_of(i, kLarge));
          },
          countdown));
      pipe.second.close();
      const unsigned sent = std::string(point) == "connection.sent" ? countdown : countdown - 1;
      for (unsigned i = 0; i < sent; ++i)
        EXPECT_EQ(pipe.first.recv_for(kLong), text_of(static_cast<int>(i), kLarge));
      EXPECT_THROW((void)pipe.first.recv_for(kLong), EndOfFile) << point;
    }
  }
}

TEST(PipeDeath, AReceiverKilledAtAnyStepTakesAtMostTheMessageInItsHands) {
  POLYPROC_NEEDS_FAIL_POINTS();
  for (const char* point : {"connection.received", "connection.tail_read"}) {
    Pipe<std::string> pipe;
    for (int i = 0; i < 2; ++i) pipe.second.send(text_of(i, kLarge));
    ASSERT_TRUE(killed_at(point, [&] { (void)pipe.first.recv(); }));
    EXPECT_EQ(pipe.first.recv_for(kLong), text_of(1, kLarge)) << point;
    pipe.first.close();
    EXPECT_THROW(pipe.second.send("x"), EndOfFile);
  }
}

TEST(PipeDeath, ASenderHeldUpHearsThatItsReceiverWasKilled) {
  Pipe<std::string> pipe;
  ForkedChild receiver([&] {
    pipe.second.close();
    (void)pipe.first.recv();
    wait_for_ever();
  });
  pipe.first.close();
  ForkedChild sender([&] {
    try {
      for (int i = 0;; ++i) pipe.second.send(text_of(i, 500'000));
    } catch (const EndOfFile&) {
      return 7;
    }
  });
  pipe.second.close();
  ASSERT_TRUE(wait_until_asleep(sender.pid()));
  receiver.kill(SIGKILL);
  EXPECT_EQ(sender.join(), 7);
  EXPECT_EQ(receiver.join(), -SIGKILL);
}

TEST(PipeDeath, ASleepingReceiverThatIsKilledTakesNoWakeUpAlong) {
  Pipe<int> pipe;
  const auto wait_for_one = [&] { return pipe.first.recv(); };
  ForkedChild killed(wait_for_one);
  ASSERT_TRUE(wait_until_asleep(killed.pid()));
  ForkedChild living(wait_for_one);
  ASSERT_TRUE(wait_until_asleep(living.pid()));
  killed.kill(SIGKILL);
  EXPECT_EQ(killed.join(), -SIGKILL);
  pipe.second.send(5);
  EXPECT_EQ(living.join(), 5);
}

TEST(PipeDeath, AChildForkedWhileALongMessageIsWrittenDoesNotKeepIt) {
  KeptTails tails;
  const StoredTail tail(tails, std::vector<std::byte>(100));
  ForkedChild child([&] { return ::fcntl(tail.descriptor(), F_GETFD) == -1 ? 0 : 1; });
  EXPECT_EQ(child.join(), 0);
}

constexpr std::size_t kKept = 900'000;  // of a length whose memory is kept

// The memory of long messages is used again: never while it is read, nor by two who send.
TEST(PipeTails, AreUsedAgainByEachSenderForItself) {
  Pipe<std::string> pipe;
  for (int i = 0; i < 20; ++i) {
    pipe.second.send(text_of(i, kKept));
    EXPECT_EQ(pipe.first.recv_for(kLong), text_of(i, kKept));
  }
  // A child that was forked with kept tails, and its parent, on the same end.
  ForkedChild child([&] {
    for (int i = 100; i < 130; ++i) pipe.second.send(text_of(i, kKept));
  });
  std::thread thread([&] {
    for (int i = 200; i < 230; ++i) pipe.second.send(text_of(i, kKept));
  });
  std::multiset<std::string> got, expected;
  std::thread other([&] {
    for (int i = 300; i < 330; ++i) pipe.second.send(text_of(i, kKept));
  });
  for (const int first : {100, 200, 300}) {
    for (int i = first; i < first + 30; ++i) {
      expected.insert(text_of(i, kKept));
      got.insert(pipe.first.recv_for(kLong).value_or(""));
    }
  }
  thread.join();
  other.join();
  EXPECT_EQ(child.join(), 0);
  EXPECT_TRUE(got == expected);
}

TEST(PipeTails, AreReplacedWhenTheirReceiversWereKilled) {
  POLYPROC_NEEDS_FAIL_POINTS();
  Pipe<std::string> pipe;
  for (int i = 0; i < 20; ++i) {
    pipe.second.send(text_of(i, kKept));
    ASSERT_TRUE(killed_at("connection.received", [&] { (void)pipe.first.recv(); }));
  }
  pipe.second.send(text_of(1, kKept));
  EXPECT_EQ(pipe.first.recv_for(kLong), text_of(1, kKept));
}

TEST(PipeTails, OfAMessageThatWasNotSentAreFree) {
  Pipe<std::string> pipe;
  int sent = 0;
  while (pipe.second.try_send(text_of(sent, kKept))) ++sent;
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(pipe.second.try_send(text_of(sent, kKept)));
  for (int i = 0; i < sent; ++i) EXPECT_EQ(pipe.first.recv_for(kLong), text_of(i, kKept));
}

void kill_with_a_queue_on_its_way() {
  for (const char* point : {"connection.references_held", "connection.sent"}) {
    Pipe<Queue<int>> pipe;
    ASSERT_TRUE(killed_at(point, [&] { pipe.second.send(Queue<int>()); }));
    Arena::family().recover();
    if (std::string(point) != "connection.sent") continue;
    Queue<int> queue = pipe.first.recv();
    queue.put(1);
    EXPECT_EQ(queue.get(), 1);
  }
  Pipe<Queue<int>> pipe;
  pipe.second.send(Queue<int>());
  ASSERT_TRUE(killed_at("connection.received", [&] { (void)pipe.first.recv(); }));
}

TEST(PipeDeath, SharedObjectsOnTheirWayAreReturnedWhenTheirSenderOrReceiverIsKilled) {
  POLYPROC_NEEDS_FAIL_POINTS();
  kill_with_a_queue_on_its_way();
  Arena::family().recover();
  const std::uint64_t before = Arena::family().stats().blocks;
  kill_with_a_queue_on_its_way();
  Arena::family().recover();
  EXPECT_EQ(Arena::family().stats().blocks, before);
  EXPECT_TRUE(Arena::family().check().clean());
}

// ---- four gibibytes and more

TEST(LargePipe, AMessageBeyondFourGibibytesIsWhole) {
  constexpr std::size_t kSize = (std::size_t{4} << 30) + 12'345;
  Pipe<> pipe(false);
  ForkedChild receiver(
      [&] {
        pipe.second.close();
        std::vector<std::byte> buffer(kSize);
        if (pipe.first.recv_bytes_into(buffer) != kSize) return 1;
        for (std::size_t i = 0; i < kSize; i += 4093)
          if (buffer[i] != static_cast<std::byte>(i >> 12)) return 2;
        return pipe.first.recv_bytes().size() == 3 ? 0 : 3;
      },
      600);
  {
    std::vector<std::byte> bytes(kSize);
    for (std::size_t i = 0; i < kSize; i += 4093) bytes[i] = static_cast<std::byte>(i >> 12);
    pipe.second.send_bytes(bytes);
  }
  pipe.second.send_bytes(std::vector<std::byte>(3));
  EXPECT_EQ(receiver.join(), 0);
}

}  // namespace
}  // namespace polyproc::testing
