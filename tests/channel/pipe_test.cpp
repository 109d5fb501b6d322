// SPDX-License-Identifier: MIT
// Pipes within one process: what goes through, what the ends refuse, threads on one end, damaged packets.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <map>
#include <mutex>
#include <numeric>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <polyproc/polyproc.hpp>

#include "os/fd_socket.hpp"

namespace polyproc::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

std::vector<std::byte> pattern(std::size_t size, unsigned seed = 1) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<std::byte>((i * 31 + seed + (i >> 12)) & 0xff);
  return bytes;
}

TEST(Pipe, PassesValuesBothWays) {
  auto [here, there] = Pipe<std::string>();
  here.send("ping");
  EXPECT_EQ(there.recv(), "ping");
  there.send("pong");
  EXPECT_EQ(here.recv(), "pong");
  EXPECT_TRUE(here.readable() && here.writable() && there.readable() && there.writable());
}

TEST(Pipe, OfObjectsTakesAnything) {
  Pipe pipe;
  const Object sent = Object::list({1, 2.5, "text", Object::dict({{"k", true}})});
  pipe.first.send(sent);
  EXPECT_EQ(pipe.second.recv(), sent);
}

struct Order {
  int id;
  std::string customer;
  std::map<std::string, std::vector<double>> prices;
};

TEST(Pipe, CarriesStructsAndContainers) {
  Pipe<Order> pipe;
  pipe.first.send({7, "Ada", {{"tea", {1.5, 2}}}});
  const Order order = pipe.second.recv();
  EXPECT_EQ(order.id, 7);
  EXPECT_EQ(order.customer, "Ada");
  EXPECT_EQ(order.prices.at("tea").at(1), 2);
}

TEST(Pipe, OneWayReceivesAtTheFirstAndSendsAtTheSecond) {
  Pipe<int> pipe(false);
  pipe.second.send(5);
  EXPECT_EQ(pipe.first.recv(), 5);
  EXPECT_FALSE(pipe.first.writable());
  EXPECT_FALSE(pipe.second.readable());
  EXPECT_THROW(pipe.first.send(1), UsageError);
  EXPECT_THROW((void)pipe.second.recv(), UsageError);
  EXPECT_THROW((void)pipe.second.poll(), UsageError);
}

TEST(Pipe, MessagesOfAnyLengthArriveWholeAndInOrder) {
  Pipe<> pipe;
  for (const std::size_t size :
       {0u, 1u, 100u, 65'536u, 81'919u, 81'920u, 81'921u, 200'000u, 1'048'576u, 5'000'001u}) {
    const auto bytes = pattern(size);
    pipe.first.send_bytes(bytes);
    pipe.first.send_bytes(pattern(3));
    EXPECT_EQ(pipe.second.recv_bytes(), bytes) << size;
    EXPECT_EQ(pipe.second.recv_bytes(), pattern(3)) << size;
  }
}

TEST(Pipe, AnEmptyMessageIsNotTheEnd) {
  Pipe<> pipe;
  pipe.first.send_bytes({});
  pipe.first.close();
  EXPECT_TRUE(pipe.second.recv_bytes().empty());
  EXPECT_THROW((void)pipe.second.recv_bytes(), EndOfFile);
}

TEST(Pipe, WhatWasSentIsReceivedAfterTheSenderClosed) {
  Pipe<std::vector<int>> pipe;
  std::vector<int> numbers(100'000);
  std::iota(numbers.begin(), numbers.end(), 0);
  pipe.second.send({1});  // unread at the end that closes
  pipe.first.send(numbers);
  pipe.first.close();
  EXPECT_TRUE(pipe.second.poll());
  EXPECT_EQ(pipe.second.recv(), numbers);
  EXPECT_TRUE(pipe.second.poll());
  EXPECT_THROW((void)pipe.second.recv(), EndOfFile);
  EXPECT_THROW((void)pipe.second.try_recv(), EndOfFile);
  EXPECT_THROW((void)pipe.second.recv_for(1h), EndOfFile);
}

TEST(Pipe, SendingToAClosedEndIsEndOfFile) {
  Pipe<int> pipe;
  pipe.second.close();
  EXPECT_THROW(pipe.first.send(1), EndOfFile);
  EXPECT_THROW((void)pipe.first.try_send(1), Closed);
  EXPECT_THROW(pipe.first.send_bytes(pattern(1'000'000)), EndOfFile);
}

TEST(Pipe, ClosingAnEndClosesItForAllItsHandlesHere) {
  Pipe<int> pipe;
  Connection<int> copy = pipe.second;
  EXPECT_EQ(copy, pipe.second);
  pipe.first.send(1);
  EXPECT_EQ(copy.recv(), 1);
  copy.close();
  EXPECT_TRUE(pipe.second.closed());
  EXPECT_THROW(pipe.first.send(1), EndOfFile);
}

TEST(Pipe, AClosedHandleSaysSo) {
  Pipe<int> pipe;
  Connection<int> moved = std::move(pipe.first);
  EXPECT_FALSE(moved.closed());
  EXPECT_TRUE(pipe.first.closed());  // NOLINT: what it is after a move is promised
  pipe.second.close();
  pipe.second.close();
  EXPECT_TRUE(pipe.second.closed());
  try {
    pipe.second.send(1);
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("sending through a connection"));
  }
  EXPECT_THROW((void)pipe.second.recv(), UsageError);
  EXPECT_THROW((void)pipe.second.fileno(), UsageError);
  EXPECT_THROW((void)pipe.second.poll(), UsageError);
  std::ostringstream out;
  out << pipe.second;
  EXPECT_EQ(out.str(), "Connection(closed)");
}

TEST(Pipe, DescriptorsAreClosedOnExec) {
  Pipe<int> pipe;
  EXPECT_EQ(::fcntl(pipe.first.fileno(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(::fcntl(pipe.second.fileno(), F_GETFD), FD_CLOEXEC);
}

TEST(Pipe, LooksAndWaitsUpToADeadline) {
  Pipe<int> pipe;
  EXPECT_FALSE(pipe.first.poll());
  EXPECT_FALSE(pipe.first.poll(1ms));
  EXPECT_EQ(pipe.first.try_recv(), std::nullopt);
  EXPECT_EQ(pipe.first.recv_for(1ms), std::nullopt);
  EXPECT_EQ(pipe.first.recv_until(std::chrono::system_clock::now() + 1ms), std::nullopt);
  EXPECT_EQ(pipe.first.recv_bytes_for(1ms), std::nullopt);
  pipe.second.send(3);
  EXPECT_TRUE(pipe.first.poll());
  EXPECT_EQ(pipe.first.try_recv(), 3);
}

TEST(Pipe, SendingGivesUpAtTheDeadlineWhenNobodyReceives) {
  for (const std::size_t size : {std::size_t{1000}, std::size_t{500'000}}) {
    Pipe<> pipe;
    const auto bytes = pattern(size);
    int sent = 0;
    while (pipe.first.try_send_bytes(bytes)) ++sent;
    EXPECT_LT(std::size_t(sent) * size, std::size_t{5'000'000}) << "the sender must be held up";
    EXPECT_FALSE(pipe.first.send_bytes_for(bytes, 1ms));
    for (int i = 0; i < sent; ++i) ASSERT_EQ(pipe.second.recv_bytes(), bytes);
    EXPECT_FALSE(pipe.second.poll());
    EXPECT_TRUE(pipe.first.send_bytes_for(bytes, 20s));
  }
}

TEST(Pipe, WorksWhereTheHostMadeItNonBlocking) {
  Pipe<int> pipe;
  ::fcntl(pipe.first.fileno(), F_SETFL, O_NONBLOCK);
  std::thread sender([&] { pipe.second.send(4); });
  EXPECT_EQ(pipe.first.recv(), 4);
  sender.join();
}

TEST(Pipe, ReceivesIntoTheCallersMemory) {
  Pipe<> pipe;
  for (const std::size_t size : {10u, 81'920u, 300'000u}) {
    std::vector<std::byte> buffer(size + 5);
    pipe.first.send_bytes(pattern(size));
    ASSERT_EQ(pipe.second.recv_bytes_into(buffer), size);
    buffer.resize(size);
    EXPECT_EQ(buffer, pattern(size));
  }
}

TEST(Pipe, AMessageThatIsTooLongIsInTheException) {
  Pipe<> pipe;
  for (const std::size_t size : {11u, 81'920u, 90'000u, 300'000u}) {
    for (const std::size_t room : {std::size_t{0}, std::size_t{10}, size - 1}) {
      std::vector<std::byte> buffer(room);
      pipe.first.send_bytes(pattern(size));
      pipe.first.send_bytes(pattern(room, 2));
      try {
        (void)pipe.second.recv_bytes_into(buffer);
        FAIL();
      } catch (const BufferTooShort& error) {
        EXPECT_TRUE(std::ranges::equal(error.message(), pattern(size)));
      }
      EXPECT_EQ(pipe.second.recv_bytes_into(buffer), room);
    }
  }
  pipe.first.send_bytes(pattern(8));
  EXPECT_THROW((void)pipe.second.recv_bytes(7), BufferTooShort);
}

TEST(Pipe, CarriesItsOwnKindInsideValues) {
  Pipe<std::map<std::string, Connection<int>>> pipe;
  Pipe<int> inner;
  pipe.first.send({{"a", inner.first}, {"b", inner.first}});
  inner.first.close();
  auto received = pipe.second.recv();
  received.at("a").send(1);
  received.at("b").send(2);
  EXPECT_EQ(inner.second.recv(), 1);
  EXPECT_EQ(inner.second.recv(), 2);
  received.clear();
  EXPECT_THROW((void)inner.second.recv(), EndOfFile);
}

TEST(Pipe, CarriesDescriptorsBesideMuchElse) {
  Pipe<std::pair<std::vector<os::Fd>, std::string>> pipe;
  std::pair<std::vector<os::Fd>, std::string> sent;
  Pipe<int> inner;
  for (int i = 0; i < 200; ++i) sent.first.emplace_back(::fcntl(inner.first.fileno(), F_DUPFD_CLOEXEC, 0));
  sent.second.assign(300'000, 's');
  pipe.first.send(sent);
  sent.first.clear();
  inner.first.close();
  {
    const auto received = pipe.second.recv();
    EXPECT_EQ(received.first.size(), 200u);
    EXPECT_EQ(received.second.size(), 300'000u);
    EXPECT_EQ(::fcntl(received.first.at(199).get(), F_GETFD), FD_CLOEXEC);
    EXPECT_FALSE(inner.second.poll());
  }
  EXPECT_THROW((void)inner.second.recv(), EndOfFile);
}

TEST(Pipe, WhatNobodyReceivesIsClosed) {
  Pipe<Connection<int>> pipe;
  Pipe<int> inner;
  pipe.first.send(inner.first);
  inner.first.close();
  EXPECT_FALSE(inner.second.poll());
  pipe = Pipe<Connection<int>>();
  EXPECT_THROW((void)inner.second.recv(), EndOfFile);
}

TEST(Pipe, MoreDescriptorsThanTheKernelPassesAreRefused) {
  Pipe<std::vector<Connection<int>>> pipe;
  Pipe<int> inner;
  EXPECT_THROW(pipe.first.send(std::vector(300, inner.first)), InvalidArgument);
}

// The arena keeps tables of its own: what the first time leaves, the second finds.
template <class Act>
void expect_nothing_left_in_the_arena(Act act) {
  act();
  Arena::family().recover();
  const std::uint64_t before = Arena::family().stats().blocks;
  act();
  Arena::family().recover();
  EXPECT_EQ(Arena::family().stats().blocks, before);
  EXPECT_TRUE(Arena::family().check().clean());
}

TEST(Pipe, SharedObjectsLiveWhileTheyTravel) {
  expect_nothing_left_in_the_arena([] {
    Pipe<std::pair<Queue<int>, std::vector<Value<int>>>> pipe;
    {
      Queue<int> queue;
      const Value<int> value(7);
      queue.put(5);
      pipe.first.send({queue, {value, value}});
    }
    pipe.first.close();
    auto [queue, values] = pipe.second.recv();
    EXPECT_EQ(queue.get(), 5);
    EXPECT_EQ(values.at(0).get() + values.at(1).get(), 14);
  });
}

TEST(Pipe, SharedObjectsThatNobodyReceivedAreReturned) {
  expect_nothing_left_in_the_arena([] {
    Pipe<Queue<int>> pipe;
    pipe.first.send(Queue<int>());
    pipe.first.send(Queue<int>());
    EXPECT_GT(pipe.second.recv_bytes().size(), 0u);
  });
}

TEST(Pipe, OnlyObjectsThatOthersCanAttachAreSent) {
  Pipe<Queue<int>> pipe;
  try {
    pipe.first.send(Queue<int>(Arena::anonymous()));
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("through a connection"));
  }
}

// ---- threads on one end, under the thread sanitizer too

TEST(Pipe, EachMessageGoesToOneOfSeveralThreadsWhole) {
  constexpr int kThreads = 3;
  constexpr int kMessages = 60;
  Pipe<> pipe(false);
  std::mutex mutex;
  std::multiset<std::size_t> sizes;
  const auto size_of = [](int thread, int i) {
    return static_cast<std::size_t>(i % 5 == 0 ? 100'000 + thread * 1000 + i : thread * 1000 + i);
  };
  std::vector<std::thread> receivers;
  for (int r = 0; r < kThreads; ++r) {
    receivers.emplace_back([&] {
      try {
        for (;;) {
          const auto bytes = pipe.first.recv_bytes();
          ASSERT_EQ(bytes, pattern(bytes.size()));
          std::lock_guard guard(mutex);
          sizes.insert(bytes.size());
        }
      } catch (const EndOfFile&) {
      }
    });
  }
  std::vector<std::thread> senders;
  for (int s = 0; s < kThreads; ++s) {
    senders.emplace_back([&, s] {
      for (int i = 0; i < kMessages; ++i) pipe.second.send_bytes(pattern(size_of(s, i)));
    });
  }
  for (auto& thread : senders) thread.join();
  pipe.second.close();
  for (auto& thread : receivers) thread.join();
  std::multiset<std::size_t> expected;
  for (int s = 0; s < kThreads; ++s)
    for (int i = 0; i < kMessages; ++i) expected.insert(size_of(s, i));
  EXPECT_EQ(sizes, expected);
}

// ---- what is no message of ours

void write_raw(int socket, const std::string& bytes, std::span<const int> fds = {}) {
  ASSERT_TRUE(os::send_message(socket, std::as_bytes(std::span(bytes)), fds));
}

std::string header_of(char form, char descriptors, std::uint64_t tail) {
  std::string bytes(16, '\0');
  bytes[0] = form;
  bytes[2] = descriptors;
  std::memcpy(bytes.data() + 8, &tail, sizeof tail);
  return bytes;
}

TEST(Pipe, DamagedPacketsAreRefusedOneByOne) {
  Pipe<std::string> pipe;
  const int raw = pipe.first.fileno();
  const int file = ::memfd_create("test", MFD_CLOEXEC);
  const os::Fd owner(file);
  ASSERT_EQ(::ftruncate(file, 100), 0);
  write_raw(raw, "x");
  write_raw(raw, std::string(16, '\0'));
  write_raw(raw, header_of(2, 0, 0));
  write_raw(raw, header_of(1, 1, 0));
  write_raw(raw, header_of(1, 0, 10));
  write_raw(raw, header_of(1, 0, 10), std::span(&file, 1));
  write_raw(raw, header_of(1, 0, ~std::uint64_t{0}), std::span(&file, 1));
  write_raw(raw, header_of(1, 0, 0), std::span(&file, 1));
  write_raw(raw, header_of(1, 0, 100), std::span(&raw, 1));
  write_raw(raw, header_of(1, 0, 0) + std::string(100'000, 'x'));
  write_raw(raw, header_of(1, 0, 0) + "no pickle");
  std::string references = header_of(1, 0, 0);
  references[4] = 2;
  write_raw(raw, references);
  references[1] = 1;
  write_raw(raw, references + std::string(63, 'r'), std::span(&file, 1));
  for (int i = 0; i < 13; ++i) EXPECT_THROW((void)pipe.second.recv(), DecodeError) << i;
  pipe.first.send("sound");
  EXPECT_EQ(pipe.second.recv(), "sound");
}

TEST(Pipe, AValueOfAnotherTypeIsADecodeError) {
  Pipe<double> pipe;
  pipe.first.send_bytes(pattern(7));
  pipe.first.send(1.5);
  EXPECT_THROW((void)pipe.second.recv(), DecodeError);
  EXPECT_EQ(pipe.second.recv(), 1.5);
}

TEST(Pipe, ADescriptorOfAnotherKindIsNoConnection) {
  EXPECT_THROW(Connection<int>(os::Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)), true, true),
               InvalidArgument);
}

}  // namespace
}  // namespace polyproc::testing
