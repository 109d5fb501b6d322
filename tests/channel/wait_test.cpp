// SPDX-License-Identifier: MIT
// wait() in one process: what is ready, in which order, deadlines, mixtures, bad input; and Watcher.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/channel/connection.hpp>
#include <polyproc/channel/queue.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/sync/wait.hpp>
#include <polyproc/sync/watcher.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "os/own_thread.hpp"
#include "support/forked_child.hpp"
#include "sync/bell_thread.hpp"

namespace polyproc {
namespace {

using namespace std::chrono_literals;
using Positions = std::vector<std::size_t>;
using testing::ForkedChild;

constexpr std::chrono::seconds kLong{20};

class Wait : public ::testing::Test {
 protected:
  ~Wait() override { end_bell_threads(); }

  static bool is_readable(int descriptor, std::chrono::milliseconds timeout) {
    pollfd watched{descriptor, POLLIN, 0};
    return ::poll(&watched, 1, static_cast<int>(timeout.count())) == 1;
  }
  // A pipe of the kernel's: reading end, writing end.
  struct Ends {
    os::Fd read, write;
    Ends() {
      std::array<int, 2> made{};
      EXPECT_EQ(::pipe2(made.data(), O_CLOEXEC), 0);
      read.reset(made[0]);
      write.reset(made[1]);
    }
    void fill() const { EXPECT_EQ(::write(write.get(), "x", 1), 1); }
  };
};

TEST_F(Wait, TellsAllThatAreReady) {
  Queue<int> first, second;
  SimpleQueue<std::string> third;
  Pipe<int> pipe;
  Ends ends;
  const Waitables all{first, ends.read, second, pipe.first, third};
  EXPECT_EQ(wait_for(all, 0s), Positions{});
  second.put(1);
  EXPECT_EQ(wait(all), Positions{2});
  third.put("text");
  pipe.second.send(1);
  EXPECT_EQ(wait(all), (Positions{2, 3, 4}));
  ends.fill();
  EXPECT_EQ(wait(all), (Positions{1, 2, 3, 4}));
  EXPECT_EQ(second.get(), 1);
  EXPECT_EQ(pipe.first.recv(), 1);
  EXPECT_EQ(wait(all), (Positions{1, 4}));
}

TEST_F(Wait, TakesAnyRangeOfThings) {
  std::vector<Queue<int>> queues(5);
  queues[3].put(1);
  EXPECT_EQ(wait(queues), Positions{3});
  EXPECT_EQ(wait(queues[3]), Positions{0});  // not its items
  Ends ends;
  ends.fill();
  EXPECT_EQ(wait(std::vector<int>{ends.read.get()}), Positions{0});
}

TEST_F(Wait, EndsAtItsDeadline) {
  Queue<int> queue;
  Ends ends;
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(wait_for({queue}, 20ms), Positions{});
  EXPECT_EQ(wait_for({queue, ends.read}, 20ms), Positions{});
  EXPECT_EQ(wait_for({ends.read}, 20ms), Positions{});
  EXPECT_EQ(wait_until({queue}, std::chrono::system_clock::now() + 20ms), Positions{});
  EXPECT_GE(std::chrono::steady_clock::now() - start, 79ms);
  EXPECT_EQ(wait_for(Waitables(std::vector<int>{}), 1ms), Positions{});
}

TEST_F(Wait, AShutDownQueueIsReady) {
  Queue<int> queue;
  std::thread other([&] { queue.shutdown(); });
  EXPECT_EQ(wait({queue}), Positions{0});
  other.join();
  EXPECT_THROW((void)queue.get(), ShutDown);
}

TEST_F(Wait, TheEndOfTheOtherSideIsReady) {
  Pipe<int> pipe;
  Ends ends;
  std::thread other([&] {
    pipe.second.close();
    ends.write.reset();
  });
  EXPECT_FALSE(wait({pipe.first}).empty());
  EXPECT_FALSE(wait({ends.read}).empty());
  other.join();
}

TEST_F(Wait, RefusesWhatIsNotOpen) {
  Queue<int> queue;
  int closed = 0;
  {
    Ends ends;
    closed = ends.read.get();
  }
  try {
    (void)wait({queue, closed});
    FAIL() << "no exception";
  } catch (const OsError& error) {
    EXPECT_EQ(error.code(), EBADF);
    EXPECT_NE(std::string(error.what()).find("number 1"), std::string::npos) << error.what();
  }
  EXPECT_THROW((void)wait({os::Fd()}), OsError);
  Queue<int> gone;
  gone.close();
  EXPECT_THROW((void)wait({gone}), UsageError);
  Pipe<int> pipe;
  pipe.first.close();
  EXPECT_THROW((void)wait({pipe.first}), UsageError);
  EXPECT_THROW((void)wait(Waitables(std::vector<int>{})), InvalidArgument);
}

// Each number goes to one of the queues; none may be slept on.
template <class Others>
void follow_numbers(std::vector<Queue<int>>& queues, const Others& others) {
  constexpr int kNumbers = 2000;
  std::thread producer([&] {
    for (int i = 0; i < kNumbers; ++i) {
      queues[static_cast<std::size_t>(i) * 7 % queues.size()].put(i);
      if (i % 16 == 0) std::this_thread::sleep_for(50us);  // so that the consumer sleeps now and then
    }
  });
  Waitables all(queues);
  std::vector<Waitable> mixed(all.span().begin(), all.span().end());
  mixed.insert(mixed.end(), others.begin(), others.end());
  int seen = 0;
  while (seen < kNumbers) {
    const auto ready = wait_for(mixed, kLong);
    ASSERT_FALSE(ready.empty()) << "after " << seen;
    for (const std::size_t one : ready) {
      while (queues.at(one).try_get()) ++seen;
    }
  }
  producer.join();
}

TEST_F(Wait, MissesNothingOfOneQueue) {
  std::vector<Queue<int>> queues(1);
  follow_numbers(queues, std::vector<Waitable>{});
}

TEST_F(Wait, MissesNothingOfManyQueues) {
  std::vector<Queue<int>> queues(100);
  follow_numbers(queues, std::vector<Waitable>{});
}

TEST_F(Wait, MissesNothingBesideADescriptor) {
  std::vector<Queue<int>> queues(10);
  Ends never;
  follow_numbers(queues, std::vector<Waitable>{never.read});
}

TEST_F(Wait, MissesNothingInTwoArenas) {
  const Arena other = Arena::anonymous();
  std::vector<Queue<int>> queues(3);
  queues.emplace_back(other);
  queues.emplace_back(other);
  follow_numbers(queues, std::vector<Waitable>{});
}

TEST_F(Wait, ServesSeveralThreadsAtOnce) {
  constexpr int kThreads = 4, kEach = 500;
  Queue<int> shared;
  Ends never;
  std::atomic<int> got{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      Queue<int> own;
      while (got < kThreads * kEach) {
        const auto ready =
            t % 2 == 0 ? wait_for({own, shared}, 10ms) : wait_for({own, never.read, shared}, 10ms);
        if (!ready.empty() && shared.try_get()) ++got;
      }
    });
  }
  for (int i = 0; i < kThreads * kEach; ++i) shared.put(i);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(got, kThreads * kEach);
}

// A plain get and a wait on the same queue: either may have the item, and neither sleeps on.
TEST_F(Wait, LeavesOrdinaryConsumersTheirWakeUps) {
  Queue<int> queue;
  constexpr int kItems = 2000;
  std::atomic<int> got{0};
  std::thread plain([&] {
    while (auto item = queue.get_for(kLong)) {
      if (*item < 0) return;
      ++got;
    }
  });
  std::thread waiting([&] {
    while (!wait_for({queue}, kLong).empty()) {
      const auto item = queue.try_get();
      if (item && *item < 0) return;
      if (item) ++got;
    }
  });
  for (int i = 0; i < kItems; ++i) queue.put(i);
  queue.put(-1);
  queue.put(-1);
  plain.join();
  waiting.join();
  EXPECT_EQ(got, kItems);
}

TEST_F(Wait, ItsThreadEndsWhenNobodyWaits) {
  Queue<int> queue;
  Ends ends;
  EXPECT_EQ(wait_for({queue, ends.read}, 1ms), Positions{});
  EXPECT_TRUE(testing::wait_until([] { return os::count_own_threads() == 0; }));
}

// The sanitizers' own allocator may be locked for good in a child that is forked while another thread allocates.
bool other_threads_sleep() {
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    const pid_t id = std::stoi(thread.path().filename());
    if (id != ::getpid() && testing::process_state(id) != 'S') return false;
  }
  return true;
}

TEST_F(Wait, WorksInAChildForkedMeanwhile) {
  Queue<int> queue, answer;
  Ends never;
  std::thread other([&] { EXPECT_EQ(wait_for({queue, never.read}, kLong), Positions{0}); });
  int calm = 0;
  ASSERT_TRUE(testing::wait_until([&] {
    calm = os::count_own_threads() == 1 && other_threads_sleep() ? calm + 1 : 0;
    return calm == 3;
  }));
  ForkedChild child([&] {
    if (os::count_own_threads() != 0) return 1;
    answer.put(1);
    const auto ready = wait_for({queue, never.read}, kLong);
    return ready == Positions{0} ? 0 : 2;
  });
  EXPECT_EQ(answer.get_for(kLong), 1);
  queue.put(7);
  EXPECT_EQ(child.join(), 0);
  other.join();
}

TEST_F(Wait, AWatcherIsReadableWhenAQueueIsReady) {
  Queue<int> first, second;
  Watcher watcher({first, second});
  EXPECT_FALSE(is_readable(watcher.fileno(), 0ms));
  std::thread other([&] { second.put(1); });
  EXPECT_TRUE(is_readable(watcher.fileno(), kLong));
  other.join();
  EXPECT_EQ(watcher.ready(), Positions{1});
  EXPECT_TRUE(is_readable(watcher.fileno(), 0ms)) << "as long as an item is there";
  EXPECT_EQ(second.get(), 1);
  EXPECT_EQ(watcher.ready(), Positions{});
  EXPECT_FALSE(is_readable(watcher.fileno(), 0ms));
  first.put(2);
  EXPECT_TRUE(is_readable(watcher.fileno(), kLong));
}

TEST_F(Wait, AWatcherSeesWhatWasThereBefore) {
  Queue<int> queue;
  queue.put(1);
  Watcher watcher({queue});
  EXPECT_TRUE(is_readable(watcher.fileno(), 0ms));
}

TEST_F(Wait, AWatcherStandsForDescriptorsToo) {
  Queue<int> queue;
  Ends ends;
  Watcher watcher({ends.read, queue, ends.read});
  EXPECT_FALSE(is_readable(watcher.fileno(), 0ms));
  ends.fill();
  EXPECT_TRUE(is_readable(watcher.fileno(), 0ms));
  EXPECT_EQ(watcher.ready(), (Positions{0, 2}));
  queue.put(1);
  EXPECT_EQ(watcher.ready(), (Positions{0, 1, 2}));
  char byte = 0;
  ASSERT_EQ(::read(ends.read.get(), &byte, 1), 1);
  EXPECT_EQ(queue.get(), 1);
  EXPECT_EQ(watcher.ready(), Positions{});
  EXPECT_FALSE(is_readable(watcher.fileno(), 0ms));
  queue.put(2);
  EXPECT_TRUE(is_readable(watcher.fileno(), kLong));
  Watcher alone({ends.read});
  ends.fill();
  EXPECT_TRUE(is_readable(alone.fileno(), 0ms));
}

TEST_F(Wait, AWatcherRefusesWhatItCannotWatch) {
  EXPECT_THROW(Watcher({-1}), OsError);
  EXPECT_THROW(Watcher({1'000'000}), OsError);
  Queue<int> queue;
  Watcher watcher({queue});
  Watcher moved = std::move(watcher);
  EXPECT_THROW((void)watcher.ready(), UsageError);
  ForkedChild child([&] {
    try {
      (void)moved.fileno();
    } catch (const UsageError&) {
      return 0;
    }
    return 1;
  });
  EXPECT_EQ(child.join(), 0);
}

}  // namespace
}  // namespace polyproc
