// SPDX-License-Identifier: MIT
// Queues, connections, futures and all that wait() waits for, in programs that run on Boost.Asio. CMake component `asio`.
//
//     boost::asio::awaitable<void> serve(polyproc::Queue<Order> orders) {
//       for (;;) handle(co_await polyproc::async_get(co_await boost::asio::this_coro::executor, orders,
//                                                    boost::asio::use_awaitable));
//     }
//
// Each takes an executor or an execution context first and a completion token last (a function, use_future, use_awaitable
// ...), whose signature is void(std::exception_ptr, result). The exceptions are those of the plain calls, and
// boost::system::system_error with operation_aborted for what was cancelled, by a cancellation slot of the token. No
// item or message is lost by that: an operation that completes with an error has taken none.
//
// Any number may be outstanding at once, on the same objects too. Each needs two descriptors while it waits, and all of
// a process together one thread for each arena. Results must have a default constructor: Asio passes one beside an error.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include <polyproc/asio/retry.hpp>
#include <polyproc/channel/connection.hpp>
#include <polyproc/channel/queue.hpp>
#include <polyproc/pool/future.hpp>

namespace polyproc::inline v0 {

// The positions of those that are ready, ascending. They must outlive the operation.
template <detail::AsioExecutor Executor, class Token>
auto async_wait(const Executor& executor, Waitables things, Token&& token) {
  return detail::async_retry<std::vector<std::size_t>>(
      executor, std::move(things),
      [](const Waitables&, Watcher& watcher) -> std::optional<std::vector<std::size_t>> {
        auto ready = watcher.ready();
        if (ready.empty()) return std::nullopt;
        return ready;
      },
      std::forward<Token>(token));
}

// The next item. Throws ShutDown once the queue is shut down and drained.
template <detail::AsioExecutor Executor, Queueable T, BlockKind Kind, class Token>
auto async_get(const Executor& executor, const detail::QueueHandle<T, Kind>& queue, Token&& token) {
  static_assert(std::is_default_constructible_v<T>,
                "async_get passes T() beside an error: T needs a default constructor");
  return detail::async_retry<T>(
      executor, queue, [](detail::QueueHandle<T, Kind>& its, Watcher&) { return its.try_get(); },
      std::forward<Token>(token));
}

// The next message. Throws EndOfFile. The connection must not be closed meanwhile: cancel the operation instead.
template <detail::AsioExecutor Executor, class T, class Token>
auto async_recv(const Executor& executor, const Connection<T>& connection, Token&& token) {
  static_assert(std::is_default_constructible_v<T>,
                "async_recv passes T() beside an error: T needs a default constructor");
  return detail::async_retry<T>(
      executor, connection, [](Connection<T>& its, Watcher&) { return its.try_recv(); },
      std::forward<Token>(token));
}

// The result of a pool's task; what Future::get would throw. Void: a token for void(std::exception_ptr, std::monostate).
template <detail::AsioExecutor Executor, class T, class Token>
auto async_get(const Executor& executor, const Future<T>& future, Token&& token) {
  using Result = detail::Stored<T>;
  static_assert(std::is_default_constructible_v<Result>,
                "async_get passes T() beside an error: T needs a default constructor");
  return detail::async_retry<Result>(
      executor, future,
      [](const Future<T>& its, Watcher&) -> std::optional<Result> {
        if (!its.ready()) return std::nullopt;
        if constexpr (std::is_void_v<T>) {
          its.get();
          return Result();
        } else {
          return its.get();
        }
      },
      std::forward<Token>(token));
}

template <detail::AsioContext Context, class Token>
auto async_wait(Context& context, Waitables things, Token&& token) {
  return async_wait(context.get_executor(), std::move(things), std::forward<Token>(token));
}
template <detail::AsioContext Context, Queueable T, BlockKind Kind, class Token>
auto async_get(Context& context, const detail::QueueHandle<T, Kind>& queue, Token&& token) {
  return async_get(context.get_executor(), queue, std::forward<Token>(token));
}
template <detail::AsioContext Context, class T, class Token>
auto async_get(Context& context, const Future<T>& future, Token&& token) {
  return async_get(context.get_executor(), future, std::forward<Token>(token));
}
template <detail::AsioContext Context, class T, class Token>
auto async_recv(Context& context, const Connection<T>& connection, Token&& token) {
  return async_recv(context.get_executor(), connection, std::forward<Token>(token));
}

}  // namespace polyproc::inline v0
