// SPDX-License-Identifier: MIT
// The composed operation behind async_wait, async_get and async_recv: try; while that gives nothing, wait until the
// things are ready, and try again.
#pragma once

#include <fcntl.h>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution/executor.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/is_executor.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>

#include <concepts>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <polyproc/os/error.hpp>
#include <polyproc/sync/watcher.hpp>

namespace polyproc::inline v0::detail {

template <class E>
concept AsioExecutor = boost::asio::is_executor<E>::value || boost::asio::execution::is_executor<E>::value;
template <class C>
concept AsioContext = std::derived_from<C, boost::asio::execution_context>;

// `attempt(object, watcher)` gives an optional result, and may throw.
template <class Result, class Executor, class Object, class Attempt>
class Retry {
 public:
  Retry(Executor executor, Object object, Attempt attempt)
      : executor_(std::move(executor)), object_(std::move(object)), attempt_(std::move(attempt)) {}

  template <class Self>
  void operator()(Self& self, boost::system::error_code error = {}) {
    if (!std::exchange(begun_, true)) {  // never completes within the call that began it
      self.reset_cancellation_state(boost::asio::enable_total_cancellation());
      return post(self);
    }
    if (!error && self.cancelled() != boost::asio::cancellation_type::none)
      error = boost::asio::error::operation_aborted;
    if (error) return fail(self, std::make_exception_ptr(boost::system::system_error(error)));
    bool is_ready = false;
    try {
      if (!waiting_) waiting_ = std::make_unique<Waiting>(executor_, *object_);
      if (std::optional<Result> result = attempt_(*object_, waiting_->watcher))
        return finish(self, nullptr, std::move(*result));
      is_ready = !waiting_->watcher.ready().empty();
    } catch (...) {
      return fail(self, std::current_exception());
    }
    if (is_ready) return post(self);
    auto& descriptor = waiting_->descriptor;
    descriptor.async_wait(boost::asio::posix::descriptor_base::wait_read, std::move(self));
  }

 private:
  // Its descriptor is a copy, which the loop closes.
  struct Waiting {
    Waiting(const Executor& executor, const Waitables& things)
        : watcher(things), descriptor(executor, os::checked("fcntl", "the descriptor of a Watcher", [&] {
                                        return ::fcntl(watcher.fileno(), F_DUPFD_CLOEXEC, 0);
                                      })) {}
    Watcher watcher;
    boost::asio::posix::basic_stream_descriptor<Executor> descriptor;
  };

  template <class Self>
  void post(Self& self) {
    const Executor executor = executor_;  // which moves away with self
    boost::asio::post(executor, std::move(self));
  }
  template <class Self>
  void fail(Self& self, std::exception_ptr error) {
    finish(self, std::move(error), Result());
  }
  // What the operation holds is given up before the handler runs, which may begin another.
  template <class Self>
  void finish(Self& self, std::exception_ptr error, Result result) {
    waiting_.reset();
    object_.reset();
    self.complete(std::move(error), std::move(result));
  }

  Executor executor_;
  std::optional<Object> object_;
  Attempt attempt_;
  std::unique_ptr<Waiting> waiting_;
  bool begun_ = false;
};

template <class Result, class Executor, class Object, class Attempt, class Token>
auto async_retry(const Executor& executor, Object object, Attempt attempt, Token&& token) {
  return boost::asio::async_compose<Token, void(std::exception_ptr, Result)>(
      Retry<Result, Executor, Object, Attempt>(executor, std::move(object), std::move(attempt)), token,
      executor);
}

}  // namespace polyproc::inline v0::detail
