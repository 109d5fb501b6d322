// SPDX-License-Identifier: MIT
// async_get of a pool's futures.
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <polyproc/asio/asio.hpp>
#include <polyproc/polyproc.hpp>

#include <stdexcept>

#include "support/start_methods.hpp"
#include "sync/bell_thread.hpp"

namespace polyproc::testing {
namespace {

namespace net = boost::asio;

int square(int x) { return x * x; }
int fail(int /*x*/) { throw std::runtime_error("no"); }

net::awaitable<int> sum(Pool& pool) {
  const auto executor = co_await net::this_coro::executor;
  const auto a = pool.submit(square, 3);
  const auto b = pool.submit(square, 4);
  const auto done = pool.submit([] {});
  co_await async_get(executor, done, net::use_awaitable);
  const int first = co_await async_get(executor, a, net::use_awaitable);
  co_return first + co_await async_get(executor, b, net::use_awaitable);
}

TEST(AsioPool, AwaitsResultsAndExceptions) {
  Pool pool(2);
  net::io_context context;
  auto total = net::co_spawn(context, sum(pool), net::use_future);
  auto failed = async_get(context, pool.submit(fail, 1), net::use_future);
  context.run_for(kLong);
  EXPECT_EQ(total.get(), 25);
  EXPECT_THROW((void)failed.get(), RemoteError);
  end_bell_threads();
}

}  // namespace
}  // namespace polyproc::testing
