// SPDX-License-Identifier: MIT
// The guide's example of Boost.Asio, which is compiled and runs.
#include <gtest/gtest.h>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <polyproc/asio/asio.hpp>
#include <polyproc/process/process.hpp>

#include <chrono>
#include <future>

namespace {

// clang-format off
boost::asio::awaitable<int> add_up(polyproc::Queue<int> numbers) {
  const auto executor = co_await boost::asio::this_coro::executor;
  int sum = 0;
  try {
    for (;;) sum += co_await polyproc::async_get(executor, numbers, boost::asio::use_awaitable);
  } catch (const polyproc::ShutDown&) {
  }
  co_return sum;
}
// clang-format on

void count(polyproc::Queue<int> numbers) {
  for (int i = 1; i <= 4; ++i) numbers.put(i);
  numbers.shutdown();
}

TEST(Guide, Asio) {
  polyproc::Queue<int> numbers;
  polyproc::Process child(count, numbers);
  child.start();
  boost::asio::io_context context;
  std::future<int> sum = boost::asio::co_spawn(context, add_up(numbers), boost::asio::use_future);
  context.run_for(std::chrono::seconds(20));
  EXPECT_EQ(sum.get(), 10);
  child.join();
}

}  // namespace
