// SPDX-License-Identifier: MIT
// Pool: processes that run tasks.
//
//     int square(int x) { return x * x; }
//
//     polyproc::Pool pool(4);
//     pool.apply(square, 7);                                    // 49
//     polyproc::Future<int> soon = pool.submit(square, 8);      // soon.get() is 64
//     std::vector<int> all = pool.map(square, std::views::iota(0, 1000));
//     for (int each : pool.imap(square, numbers)) ...           // one by one, as they come
//
// Tasks are functions, or lambdas without captures, whose arguments and results can go to another process: values, containers,
// shared objects, descriptors. A worker that ends or is killed costs the one task that it ran, which ends with WorkerLost, or
// runs again (TaskOptions::retries); it is replaced, and all else goes on.
//
// The start methods are those of Process. Workers are daemons that may have children, pools among them; they end with the process
// that has the pool, however that ends, and leave Ctrl-C to it. A Pool may be used by any number of threads. It is no
// executor: it does not run what was made in this process, it sends calls.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <polyproc/codec/remote_error.hpp>
#include <polyproc/pool/byte_pool.hpp>
#include <polyproc/pool/future.hpp>
#include <polyproc/pool/options.hpp>
#include <polyproc/pool/results.hpp>

namespace polyproc::inline v0 {

namespace detail {

template <class T>
concept PoolOption = std::same_as<std::decay_t<T>, PoolOptions> || std::same_as<std::decay_t<T>, TaskOptions>;

// An element as it is sent: a map's pair without its const, a tuple of references with what they refer to.
template <class T>
struct SentElement {
  using type = std::decay_t<T>;
};
template <class A, class B>
struct SentElement<std::pair<A, B>> {
  using type = std::pair<std::decay_t<A>, std::decay_t<B>>;
};
template <class... T>
struct SentElement<std::tuple<T...>> {
  using type = std::tuple<std::decay_t<T>...>;
};
template <class R>
using ElementOf = typename SentElement<std::ranges::range_value_t<R>>::type;

}  // namespace detail

// Moved, not copied. The destructor ends the workers: after close() and join() there are none; a pool with nothing to do is closed; one
// with tasks is terminated, as Python's is at the end of `with`.
class Pool {
 public:
  // So many processes; 0: one for each processor.
  explicit Pool(int processes = 0) : Pool(PoolOptions{.processes = processes}) {}
  explicit Pool(const PoolOptions& options) : pool_(options, nullptr) {}
  // Each worker calls `initializer(arguments...)` first; under fork it may be any callable. When that throws, all tasks end with
  // BrokenPool, which says what it threw; no worker is started again.
  template <class F, class... Args>
  requires(!detail::PoolOption<F>) Pool(const PoolOptions& options, F&& initializer, Args&&... arguments)
      : pool_(options, detail::make_target(std::forward<F>(initializer), std::forward<Args>(arguments)...)) {}
  template <class F, class... Args>
  requires(!detail::PoolOption<F>) Pool(int processes, F&& initializer, Args&&... arguments)
      : Pool(PoolOptions{.processes = processes}, std::forward<F>(initializer),
             std::forward<Args>(arguments)...) {}

  // ---- one call. Throws Closed after close() and terminate(), BrokenPool.
  template <class F, class... Args>
  requires(!detail::PoolOption<F>) [[nodiscard]] auto submit(F&& fn, Args&&... arguments) {
    return submit(TaskOptions{}, std::forward<F>(fn), std::forward<Args>(arguments)...);
  }
  template <class F, class... Args>
  [[nodiscard]] auto submit(const TaskOptions& options, F&& fn, Args&&... arguments) {
    return submit_as<std::decay_t<F>, detail::StoredText<Args>...>(options, fn, arguments...);
  }
  // Python's names.
  template <class... Call>
  [[nodiscard]] auto apply_async(Call&&... call) {
    return submit(std::forward<Call>(call)...);
  }
  template <class... Call>
  auto apply(Call&&... call) {
    return submit(std::forward<Call>(call)...).get();
  }

  // ---- a call for each element of a range; results in the range's order. An exception of a call costs its own element; map throws
  // the first one, in the range's order, when all have ended. Without results (void) nothing is given.
  template <class F, std::ranges::input_range R>
  auto map(F&& fn, R&& range, const MapOptions& options = {}) {
    return wait_with_progress(start_map<false>(std::forward<F>(fn), std::forward<R>(range), options),
                              options);
  }
  template <class F, std::ranges::input_range R>
  [[nodiscard]] auto map_async(F&& fn, R&& range, const MapOptions& options = {}) {
    return tell_progress(start_map<false>(std::forward<F>(fn), std::forward<R>(range), options), options);
  }
  // Elements are tuples, or pairs, of arguments.
  template <class F, std::ranges::input_range R>
  auto starmap(F&& fn, R&& range, const MapOptions& options = {}) {
    return wait_with_progress(start_map<true>(std::forward<F>(fn), std::forward<R>(range), options), options);
  }
  template <class F, std::ranges::input_range R>
  [[nodiscard]] auto starmap_async(F&& fn, R&& range, const MapOptions& options = {}) {
    return tell_progress(start_map<true>(std::forward<F>(fn), std::forward<R>(range), options), options);
  }
  // Lazily: results one by one, in the range's order or in that in which they come. A range that is no temporary must outlive them.
  template <class F, std::ranges::input_range R>
  [[nodiscard]] auto imap(F&& fn, R&& range, const ImapOptions& options = {}) {
    return start_imap(std::forward<F>(fn), std::forward<R>(range), options, true);
  }
  template <class F, std::ranges::input_range R>
  [[nodiscard]] auto imap_unordered(F&& fn, R&& range, const ImapOptions& options = {}) {
    return start_imap(std::forward<F>(fn), std::forward<R>(range), options, false);
  }

  // ---- ending
  // No more tasks; the workers end when those that it has are done. An imap that has not taken all of its range ends with Closed.
  void close() { pool_.close(); }
  // Ends the workers at once (SIGTERM, and SIGKILL after a second); tasks that have not ended end with Closed.
  void terminate() { pool_.terminate(); }
  // Waits until all workers have ended. Throws UsageError before close() or terminate().
  void join() { (void)pool_.join(Deadline::never()); }
  [[nodiscard]] bool join_until(Deadline deadline) { return pool_.join(deadline); }
  template <class Rep, class Period>
  [[nodiscard]] bool join_for(const std::chrono::duration<Rep, Period>& timeout) {
    return pool_.join(Deadline::after(timeout));
  }

  [[nodiscard]] int processes() const { return pool_.processes(); }
  // Of the workers that there are now.
  [[nodiscard]] std::vector<pid_t> worker_pids() const { return pool_.worker_pids(); }

 private:
  template <class T>
  struct Started {
    Future<T> future;
    std::shared_ptr<TaskGroup> group;
    std::size_t chunk_size;
    std::size_t count;
  };

  template <class F, class... Args, class... Given>
  auto submit_as(const TaskOptions& options, const F& fn, const Given&... arguments) {
    detail::check_task<F, Args...>();
    using T = detail::TaskResult<F, Args...>;
    auto group = pool_.group(detail::encode_function<detail::CallFunction<F, Args...>>(fn), options);
    group->add([&](Encoder& out) { (encode_as<Args>(out, arguments), ...); });
    group->submit();
    return Future<T>(std::make_shared<detail::FutureState<T>>(std::move(group), &detail::read_single<T>));
  }
  template <class Arg, class Given>
  static void encode_as(Encoder& out, const Given& given) {
    if constexpr (std::is_same_v<Arg, std::decay_t<Given>>)
      Transfer<Arg>::encode(out, given);
    else
      Transfer<Arg>::encode(out, Arg(given));
  }

  template <bool kSpread, class F, class R>
  auto start_map(F&& fn, R&& range, const MapOptions& options) {
    using Fn = std::decay_t<F>;
    using T = detail::ElementOf<R>;
    using Call = detail::ElementCall<Fn, T, kSpread>;
    Call::check();
    if constexpr (std::ranges::sized_range<R>) {
      return start_sized<T, Call, detail::ChunkFunction<Fn, T, kSpread>>(fn, range, std::ranges::size(range),
                                                                         options);
    } else {
      std::vector<T> all;
      for (auto&& element : range) all.emplace_back(std::forward<decltype(element)>(element));
      return start_sized<T, Call, detail::ChunkFunction<Fn, T, kSpread>>(fn, all, all.size(), options);
    }
  }

  template <class T, class Call, class Function, class F, class R>
  auto start_sized(const F& fn, R& range, std::size_t count, const MapOptions& options) {
    using Result = typename Call::Result;
    using All = std::conditional_t<std::is_void_v<Result>, void, std::vector<detail::Stored<Result>>>;
    const std::size_t chunk_size = chunk_size_for(count, options);
    auto group = pool_.group(detail::encode_function<Function>(fn), {options.timeout, options.retries});
    using View = std::ranges::ref_view<R>;
    detail::ChunkSourceOf<T, View> source(View(range), chunk_size);
    while (source.add_chunk(*group)) {
    }
    if (source.error()) std::rethrow_exception(source.error());
    if (count != 0) group->submit();
    auto state = std::make_shared<detail::FutureState<All>>(group, [count](TaskGroup& from) {
      return read_chunks<detail::Stored<Result>, detail::Stored<All>>(from, count);
    });
    return Started<All>{Future<All>(std::move(state)), std::move(group), chunk_size, count};
  }

  [[nodiscard]] std::size_t chunk_size_for(std::size_t count, const MapOptions& options) const {
    if (options.chunk_size != 0) return options.chunk_size;
    if (options.timeout.count() != 0) return 1;
    const std::size_t chunks = std::size_t{4} * static_cast<std::size_t>(pool_.processes());
    return std::max<std::size_t>(1, (count + chunks - 1) / chunks);
  }

  // All results, or the first exception.
  template <class R, class All>
  static All read_chunks(TaskGroup& group, std::size_t count) {
    All all;
    if constexpr (!std::is_same_v<All, std::monostate>) all.reserve(count);
    const std::size_t chunks = group.count();
    for (std::size_t i = 0; i < chunks; ++i) {
      detail::ChunkResults<R> chunk(group.take(i));
      if constexpr (std::is_same_v<All, std::monostate>) {
        while (chunk.left() > 0) (void)chunk.next();
      } else {
        chunk.append_to(all);
      }
    }
    return all;
  }

  template <class T>
  static T wait_with_progress(Started<T> started, const MapOptions& options) {
    if (options.progress) {
      std::size_t ended = 0;
      for (const std::size_t chunks = started.group->count(); ended < chunks;) {
        (void)started.group->wait_more(ended, Deadline::never());
        ended = started.group->count_ended();
        options.progress(std::min(ended * started.chunk_size, started.count), started.count);
      }
    }
    return std::move(started.future).get();
  }

  template <class T>
  static Future<T> tell_progress(Started<T> started, const MapOptions& options) {
    if (options.progress)
      started.group->on_progress(
          [tell = options.progress, chunk_size = started.chunk_size,
           count = started.count](std::size_t ended) { tell(std::min(ended * chunk_size, count), count); });
    return std::move(started.future);
  }

  template <class F, class R>
  auto start_imap(F&& fn, R&& range, const ImapOptions& options, bool in_order) {
    using Fn = std::decay_t<F>;
    using T = detail::ElementOf<R>;
    using Call = detail::ElementCall<Fn, T, false>;
    Call::check();
    if (options.chunk_size == 0)
      throw InvalidArgument("imap: chunks of no elements; chunk_size must be at least 1");
    auto group = pool_.group(detail::encode_function<detail::ChunkFunction<Fn, T, false>>(fn),
                             {options.timeout, options.retries}, !in_order);
    using View = std::views::all_t<R>;
    auto source = std::make_unique<detail::ChunkSourceOf<T, View>>(std::views::all(std::forward<R>(range)),
                                                                   options.chunk_size);
    return Results<detail::Stored<typename Call::Result>>(std::move(group), std::move(source), in_order,
                                                          options.look_ahead, options.chunk_size);
  }

  BytePool pool_;
};

}  // namespace polyproc::inline v0
