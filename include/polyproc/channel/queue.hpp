// SPDX-License-Identifier: MIT
// Queue, SimpleQueue and JoinableQueue: first in, first out, for any number of producers and consumers, processes and
// threads. Items of one producer are got in the order in which it put them; each item goes to exactly one consumer.
//
// When put returns, the item is in shared memory: its producer may exit at once. A consumer that is killed takes at
// most the one item with it that it had taken out. No operation waits for a process that is dead.
#pragma once

#include <chrono>
#include <cstring>
#include <iterator>
#include <optional>
#include <ostream>
#include <ranges>
#include <string>
#include <utility>
#include <vector>

#include <polyproc/channel/byte_queue.hpp>
#include <polyproc/channel/queue_item.hpp>

namespace polyproc::inline v0 {

namespace detail {

// What the queues have in common. A handle: copies name the same queue.
template <Queueable T, BlockKind Kind>
class QueueHandle {
  using Item = ItemOf<T>;

 public:
  using value_type = T;
  using Argument = typename Item::Argument;

  // ---- putting. Each throws ShutDown after shutdown(), ArenaFull when the arena has no room for the item.
  // Waits while the queue is full.
  void put(Argument item) { (void)put_status(item, Deadline::never()); }
  // False when it is full at once, or still full at the end. (Or when a process was stopped while inside a put: the rest
  // wait for it up to their deadline, try_put for 1 s. So it is with getting.)
  [[nodiscard]] bool try_put(Argument item) { return put_status(item, Deadline::now()); }
  template <class Rep, class Period>
  [[nodiscard]] bool put_for(Argument item, const std::chrono::duration<Rep, Period>& timeout) {
    return put_status(item, Deadline::after(timeout));
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool put_until(Argument item, const std::chrono::time_point<Clock, Duration>& when) {
    return put_status(item, Deadline::at(when));
  }
  // Python's: throws Full instead.
  void put_nowait(Argument item) {
    if (!try_put(item)) throw Full("putting into a queue: it is full");
  }
  // All of a range, several items under each lock. Others' items may come in between.
  template <std::ranges::input_range R>
  void put_many(R&& items) {
    std::vector<std::byte> frames;
    for (auto&& item : items) {
      if constexpr (PickledItem<T>) {
        const OutgoingItem out(item, block());
        if (out.references().empty())
          append_frame(frames, out.bytes());
        else
          put_frames(frames), put_letter(out, Deadline::never());
      } else {
        append_frame(frames, QueueItem<T>::bytes(item));
      }
      if (frames.size() >= kBatchBytes) put_frames(frames);
    }
    put_frames(frames);
  }

  // ---- getting. Each throws ShutDown once the queue is shut down and drained.
  // Waits while the queue is empty.
  [[nodiscard]] T get() {
    typename Item::Receiver receiver;
    if (core_.get(receiver, Deadline::never()) != QueueStatus::done) throw_shut_down("getting from");
    return std::move(receiver).item();
  }
  // Nothing when it is empty at once, or still empty at the end.
  [[nodiscard]] std::optional<T> try_get() { return get_optional(Deadline::now()); }
  template <class Rep, class Period>
  [[nodiscard]] std::optional<T> get_for(const std::chrono::duration<Rep, Period>& timeout) {
    return get_optional(Deadline::after(timeout));
  }
  template <class Clock, class Duration>
  [[nodiscard]] std::optional<T> get_until(const std::chrono::time_point<Clock, Duration>& when) {
    return get_optional(Deadline::at(when));
  }
  // Python's: throws Empty instead.
  [[nodiscard]] T get_nowait() {
    if (auto item = try_get()) return std::move(*item);
    throw Empty("getting from a queue: it is empty");
  }
  // Waits for one item, then takes what there is, at most `most`. A death may take all of them along.
  [[nodiscard]] std::vector<T> get_many(std::size_t most) {
    std::vector<T> items;
    std::vector<std::byte> buffer(kBatchBytes);
    while (items.size() < most && take_batch(buffer, most - items.size(), items)) {
    }
    return items;
  }

  // ---- looking. Exact at some instant during the call.
  [[nodiscard]] std::uint64_t qsize() const { return core_.qsize(); }
  [[nodiscard]] bool empty() const { return core_.qsize() == 0; }
  [[nodiscard]] bool full() const { return core_.full(); }
  [[nodiscard]] std::uint64_t maxsize() const { return core_.maxsize(); }

  // For wait() (wait.hpp): ready when getting would not wait.
  [[nodiscard]] Waitable waitable() const { return core_.waitable(); }

  // ---- ending
  // For everyone: puts are refused from now on; gets go on until the queue is drained, or, when immediate, what is in
  // it is dropped. As queue.Queue.shutdown of Python 3.13.
  void shutdown(bool immediate = false) { core_.shutdown(immediate); }
  [[nodiscard]] bool is_shut_down() const { return core_.is_shut_down(); }
  // Gives up this handle.
  void close() noexcept { core_.close(); }

  // ---- iterating: gets until the queue is shut down and drained.
  class Iterator {
   public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    explicit Iterator(QueueHandle& queue) : queue_(&queue) { ++*this; }
    [[nodiscard]] T& operator*() const { return *item_; }
    Iterator& operator++() {
      typename Item::Receiver receiver;
      if (queue_->core_.get(receiver, Deadline::never()) == QueueStatus::done)
        item_.emplace(std::move(receiver).item());
      else
        item_.reset();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& it, std::default_sentinel_t /*end*/) { return !it.item_; }

   private:
    QueueHandle* queue_;
    mutable std::optional<T> item_;
  };
  [[nodiscard]] Iterator begin() { return Iterator(*this); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

  [[nodiscard]] const BlockRef& block() const noexcept { return core_.block(); }
  [[nodiscard]] Handle handle() const {
    block().require("taking the handle of a queue");
    return block().handle();
  }
  friend bool operator==(const QueueHandle& a, const QueueHandle& b) noexcept {
    return a.block() == b.block();
  }
  friend std::ostream& operator<<(std::ostream& out, const QueueHandle& queue) { return out << queue.core_; }

 protected:
  explicit QueueHandle(const Arena& arena, std::uint64_t maxsize)
      : core_(arena, Kind, Item::type(), maxsize) {}
  QueueHandle(const Arena& arena, const std::string& name, std::uint64_t maxsize)
      : core_(arena, name, Kind, Item::type(), maxsize) {}
  explicit QueueHandle(BlockRef block) : core_(std::move(block), Kind, Item::type()) {}

  ByteQueue core_;

 private:
  static constexpr std::size_t kBatchBytes = 8192;

  [[noreturn]] static void throw_shut_down(const char* what) {
    throw ShutDown(std::string(what) + " a queue: it was shut down");
  }

  bool put_status(Argument item, Deadline deadline) {
    if constexpr (PickledItem<T>) {
      block().require("putting into a queue");
      const OutgoingItem out(item, block());
      return out.references().empty() ? put_bytes(out.bytes(), deadline) : put_letter(out, deadline);
    } else {
      return put_bytes(QueueItem<T>::bytes(item), deadline);
    }
  }
  bool put_bytes(std::span<const std::byte> bytes, Deadline deadline) {
    return is_done(core_.put(bytes.data(), bytes.size(), deadline));
  }
  bool put_letter(const OutgoingItem& out, Deadline deadline) {
    return is_done(core_.put_letter(out.bytes().data(), out.bytes().size(), out.references(), deadline));
  }
  static bool is_done(QueueStatus put) {
    if (put == QueueStatus::shut_down) throw_shut_down("putting into");
    return put == QueueStatus::done;
  }

  std::optional<T> get_optional(Deadline deadline) {
    typename Item::Receiver receiver;
    switch (core_.get(receiver, deadline)) {
      case QueueStatus::done:
        return std::move(receiver).item();
      case QueueStatus::timed_out:
        return std::nullopt;
      case QueueStatus::shut_down:
        break;
    }
    throw_shut_down("getting from");
  }

  static void append_frame(std::vector<std::byte>& frames, std::span<const std::byte> bytes) {
    const std::uint64_t word = std::uint64_t{bytes.size()} << 3;
    const std::size_t at = frames.size();
    frames.resize(at + sizeof word + (bytes.size() + 7) / 8 * 8);
    std::memcpy(frames.data() + at, &word, sizeof word);
    if (!bytes.empty()) std::memcpy(frames.data() + at + sizeof word, bytes.data(), bytes.size());
  }

  void put_frames(std::vector<std::byte>& frames) {
    std::span<const std::byte> rest = frames;
    while (!rest.empty()) {
      if (core_.put_frames(rest, Deadline::never()) == QueueStatus::shut_down)
        throw_shut_down("putting into");
    }
    frames.clear();
  }

  // False when nothing more is to be had without waiting.
  bool take_batch(std::vector<std::byte>& buffer, std::size_t most, std::vector<T>& items) {
    const Deadline deadline = items.empty() ? Deadline::never() : Deadline::now();
    std::size_t used = 0;
    const QueueStatus status = core_.get_frames(buffer, most, used, deadline);
    if (status == QueueStatus::shut_down && items.empty()) throw_shut_down("getting from");
    if (status != QueueStatus::done) return false;
    if (used == 0) {  // one that is long, or the first in new memory
      auto item = get_optional_if_not_shut_down(deadline);
      if (item) items.push_back(std::move(*item));
      return item.has_value();
    }
    for (std::size_t at = 0; at < used;) at += unpack_frame(buffer.data() + at, items);
    return true;
  }

  std::optional<T> get_optional_if_not_shut_down(Deadline deadline) {
    typename Item::Receiver receiver;
    const QueueStatus status = core_.get(receiver, deadline);
    if (status == QueueStatus::shut_down && deadline.is_never()) throw_shut_down("getting from");
    if (status != QueueStatus::done) return std::nullopt;
    return std::move(receiver).item();
  }

  static std::size_t unpack_frame(const std::byte* frame, std::vector<T>& items) {
    std::uint64_t word = 0;
    std::memcpy(&word, frame, sizeof word);
    const std::size_t size = word >> 3;
    typename Item::Receiver receiver;
    if (size > receiver.capacity) receiver.grow(receiver, size);
    if (size != 0) std::memcpy(receiver.data, frame + sizeof word, size);
    receiver.size = size;
    items.push_back(std::move(receiver).item());
    return sizeof word + (size + 7) / 8 * 8;
  }
};

}  // namespace detail

// At most `maxsize` items, 0: as many as the arena's limit allows.
template <Queueable T>
class Queue : public detail::QueueHandle<T, BlockKind::queue> {
  using Base = detail::QueueHandle<T, BlockKind::queue>;

 public:
  explicit Queue(std::uint64_t maxsize = 0) : Base(Arena::family(), maxsize) {}
  explicit Queue(const Arena& arena, std::uint64_t maxsize = 0) : Base(arena, maxsize) {}
  // The Queue called `name`, made if absent. Throws TypeMismatch.
  Queue(const Arena& arena, const std::string& name, std::uint64_t maxsize = 0)
      : Base(arena, name, maxsize) {}
  [[nodiscard]] static Queue from_block(BlockRef block) { return Queue(std::move(block)); }

 private:
  explicit Queue(BlockRef block) : Base(std::move(block)) {}
};

// Python's SimpleQueue: unbounded.
template <Queueable T>
class SimpleQueue : public detail::QueueHandle<T, BlockKind::simple_queue> {
  using Base = detail::QueueHandle<T, BlockKind::simple_queue>;

 public:
  explicit SimpleQueue(const Arena& arena = Arena::family()) : Base(arena, 0) {}
  SimpleQueue(const Arena& arena, const std::string& name) : Base(arena, name, 0) {}
  [[nodiscard]] static SimpleQueue from_block(BlockRef block) { return SimpleQueue(std::move(block)); }

 private:
  explicit SimpleQueue(BlockRef block) : Base(std::move(block)) {}
};

// A queue whose consumers say when they have dealt with an item.
template <Queueable T>
class JoinableQueue : public detail::QueueHandle<T, BlockKind::joinable_queue> {
  using Base = detail::QueueHandle<T, BlockKind::joinable_queue>;

 public:
  explicit JoinableQueue(std::uint64_t maxsize = 0) : Base(Arena::family(), maxsize) {}
  explicit JoinableQueue(const Arena& arena, std::uint64_t maxsize = 0) : Base(arena, maxsize) {}
  JoinableQueue(const Arena& arena, const std::string& name, std::uint64_t maxsize = 0)
      : Base(arena, name, maxsize) {}
  [[nodiscard]] static JoinableQueue from_block(BlockRef block) { return JoinableQueue(std::move(block)); }

  // One item that was got is dealt with. Throws UsageError when there is none.
  void task_done() { this->core_.task_done(); }
  // Waits until every item that was put is dealt with. Items that a consumer had in hand when it died are settled for
  // it; join gives their number, each to one caller once.
  std::uint64_t join() { return *join_optional(Deadline::never()); }
  template <class Rep, class Period>
  [[nodiscard]] std::optional<std::uint64_t> join_for(const std::chrono::duration<Rep, Period>& timeout) {
    return join_optional(Deadline::after(timeout));
  }
  template <class Clock, class Duration>
  [[nodiscard]] std::optional<std::uint64_t> join_until(
      const std::chrono::time_point<Clock, Duration>& when) {
    return join_optional(Deadline::at(when));
  }

 private:
  explicit JoinableQueue(BlockRef block) : Base(std::move(block)) {}

  std::optional<std::uint64_t> join_optional(Deadline deadline) {
    std::uint64_t lost = 0;
    if (this->core_.join(deadline, lost) != QueueStatus::done) return std::nullopt;
    return lost;
  }
};

}  // namespace polyproc::inline v0
