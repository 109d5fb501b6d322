// SPDX-License-Identifier: MIT
// async_get, async_recv and async_wait with functions, futures and coroutines: results, errors, cancellation.
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <polyproc/asio/asio.hpp>
#include <polyproc/polyproc.hpp>

#include <sched.h>

#include <atomic>
#include <functional>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "support/forked_child.hpp"
#include "support/start_methods.hpp"
#include "sync/bell_thread.hpp"

namespace polyproc::testing {
namespace {

using namespace std::chrono_literals;
namespace net = boost::asio;
using Positions = std::vector<std::size_t>;

class Asio : public ::testing::Test {
 protected:
  ~Asio() override { end_bell_threads(); }
  // Until no work is left.
  void run() { context_.run_for(kLong); }
  net::io_context context_;
};

template <class E>
bool holds(const std::exception_ptr& error) {
  try {
    if (error) std::rethrow_exception(error);
  } catch (const E&) {
    return true;
  } catch (...) {
  }
  return false;
}

TEST_F(Asio, CompletesWithAnItemThatIsThere) {
  Queue<int> queue;
  queue.put(7);
  bool completed = false;
  async_get(context_, queue, [&](std::exception_ptr error, int item) {
    completed = true;
    EXPECT_FALSE(error);
    EXPECT_EQ(item, 7);
  });
  EXPECT_FALSE(completed) << "not within the call";
  EXPECT_EQ(queue.qsize(), 1u);
  run();
  EXPECT_TRUE(completed);
}

TEST_F(Asio, CompletesWithAnItemThatComesLater) {
  Queue<std::string> queue;
  std::string got;
  async_get(context_, queue, [&](std::exception_ptr, std::string item) { got = std::move(item); });
  EXPECT_EQ(context_.poll(), 1u);  // it waits by now
  ForkedChild child([&] { queue.put("from another process"); });
  run();
  EXPECT_EQ(got, "from another process");
  EXPECT_EQ(child.join(), 0);
}

TEST_F(Asio, GivesFutures) {
  JoinableQueue<int> queue;
  std::future<int> item = async_get(context_, queue, net::use_future);
  std::thread loop([&] { run(); });
  queue.put(3);
  EXPECT_EQ(item.get(), 3);
  loop.join();
}

TEST_F(Asio, TellsTheErrorsOfThePlainCalls) {
  Queue<int> queue;
  Pipe<int> pipe;
  std::exception_ptr of_queue, of_pipe, of_closed;
  async_get(context_, queue, [&](std::exception_ptr error, int) { of_queue = error; });
  async_recv(context_, pipe.first, [&](std::exception_ptr error, int) { of_pipe = error; });
  (void)context_.poll();
  queue.shutdown();
  pipe.second.close();
  run();
  EXPECT_TRUE(holds<ShutDown>(of_queue));
  EXPECT_TRUE(holds<EndOfFile>(of_pipe));
  context_.restart();
  queue.close();
  async_get(context_, queue, [&](std::exception_ptr error, int) { of_closed = error; });
  run();
  EXPECT_TRUE(holds<UsageError>(of_closed));
}

TEST_F(Asio, ManyGetsOfOneQueueGetEachItemOnce) {
  constexpr int kGets = 100;
  Queue<int> queue;
  std::vector<int> seen(kGets);
  for (int i = 0; i < kGets; ++i)
    async_get(context_, queue, [&](std::exception_ptr error, int item) {
      EXPECT_FALSE(error);
      ++seen.at(static_cast<std::size_t>(item));
    });
  (void)context_.poll();
  ForkedChild child([&] {
    for (int i = 0; i < kGets; ++i) queue.put(i);
  });
  run();
  EXPECT_EQ(seen, std::vector<int>(kGets, 1));
  EXPECT_EQ(child.join(), 0);
}

net::awaitable<int> add_up_both(Queue<int> queue, Connection<int> connection) {
  const auto executor = co_await net::this_coro::executor;
  const Waitables both{queue, connection};  // GCC 12 takes no list in braces within co_await
  int sum = 0;
  for (;;) {
    const Positions ready = co_await async_wait(executor, both, net::use_awaitable);
    for (const std::size_t one : ready) {
      const int number = one == 0 ? co_await async_get(executor, queue, net::use_awaitable)
                                  : co_await async_recv(executor, connection, net::use_awaitable);
      if (number < 0) co_return sum;
      sum += number;
    }
  }
}

TEST_F(Asio, ServesCoroutines) {
  Queue<int> queue;
  Pipe<int> pipe;
  std::future<int> sum = net::co_spawn(context_, add_up_both(queue, pipe.first), net::use_future);
  ForkedChild child([&] {
    for (int i = 1; i <= 200; ++i) i % 2 == 0 ? queue.put(i) : pipe.second.send(i);
    while (!queue.empty()) ::sched_yield();  // the end must not overtake them
    pipe.second.send(-1);
  });
  run();
  EXPECT_EQ(sum.get(), 20100);
  EXPECT_EQ(child.join(), 0);
}

net::awaitable<bool> get_within(Queue<int> queue, std::chrono::milliseconds most) {
  using namespace net::experimental::awaitable_operators;
  const auto executor = co_await net::this_coro::executor;
  net::steady_timer timer(executor, most);
  const auto first =
      co_await (async_get(executor, queue, net::use_awaitable) || timer.async_wait(net::use_awaitable));
  co_return first.index() == 0;
}

TEST_F(Asio, IsCancelledByATimer) {
  Queue<int> queue;
  std::future<bool> got = net::co_spawn(context_, get_within(queue, 20ms), net::use_future);
  run();
  EXPECT_FALSE(got.get());
  context_.restart();
  queue.put(1);
  got = net::co_spawn(context_, get_within(queue, 20s), net::use_future);
  run();
  EXPECT_TRUE(got.get());
}

TEST_F(Asio, ACancelledGetTakesNothing) {
  Queue<int> queue;
  net::cancellation_signal signal;
  std::exception_ptr error;
  const auto begin = [&] {
    async_get(context_, queue,
              net::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr its, int) { error = its; }));
  };
  begin();
  (void)context_.poll();
  signal.emit(net::cancellation_type::total);
  run();
  EXPECT_TRUE(holds<boost::system::system_error>(error));
  // Before it has begun to wait, with an item there.
  queue.put(1);
  error = nullptr;
  context_.restart();
  begin();
  signal.emit(net::cancellation_type::terminal);
  run();
  EXPECT_TRUE(holds<boost::system::system_error>(error));
  EXPECT_EQ(queue.qsize(), 1u);
}

TEST_F(Asio, WaitsForTheEndOfAProcess) {
  Process child(ProcessOptions{.method = StartMethod::fork}, [] {});
  child.start();
  Queue<int> quiet;
  Positions ready;
  async_wait(context_, {quiet, child}, [&](std::exception_ptr error, Positions its) {
    EXPECT_FALSE(error);
    ready = std::move(its);
  });
  run();
  EXPECT_EQ(ready, Positions{1});
  child.join();
}

TEST_F(Asio, RunsOnSeveralThreads) {
  constexpr int kItems = 500;
  Queue<int> queue;
  std::atomic<int> got{0};
  std::function<void()> next = [&] {
    async_get(context_, queue, [&](std::exception_ptr error, int) {
      if (error) return;
      ++got;
      next();
    });
  };
  for (int i = 0; i < 4; ++i) next();
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back([&] { run(); });
  for (int i = 0; i < kItems; ++i) queue.put(i);
  queue.shutdown();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(got, kItems);
}

}  // namespace
}  // namespace polyproc::testing
