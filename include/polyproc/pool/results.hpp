// SPDX-License-Identifier: MIT
// Results: what imap and imap_unordered give, one result after the other, while later ones are being made.
//
//     for (const Page& page : pool.imap(fetch, addresses)) print(page);
//
//     auto pages = pool.imap(fetch, addresses);   // or by hand, going on after exceptions
//     for (;;) try { auto page = pages.next(); if (!page) break; print(*page); } catch (const RemoteError& e) { ... }
#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <utility>
#include <vector>

#include <polyproc/os/error.hpp>
#include <polyproc/pool/task.hpp>

namespace polyproc::inline v0 {

namespace detail {

// Adds chunks of a range to a group.
class ChunkSource {
 public:
  ChunkSource() = default;
  ChunkSource(const ChunkSource&) = delete;
  ChunkSource& operator=(const ChunkSource&) = delete;
  virtual ~ChunkSource() = default;
  // False when there are no more: at the end of the range, or of what could be had of it.
  bool add_chunk(TaskGroup& group) {
    try {
      return !error_ && add_next(group);
    } catch (...) {
      error_ = std::current_exception();
      return false;
    }
  }
  // What the range threw, or who was to write down an element.
  [[nodiscard]] const std::exception_ptr& error() const noexcept { return error_; }

 protected:
  virtual bool add_next(TaskGroup& group) = 0;
  std::exception_ptr error_;
};

template <class T, std::ranges::input_range View>
class ChunkSourceOf final : public ChunkSource {
 public:
  ChunkSourceOf(View view, std::size_t chunk_size) : view_(std::move(view)), chunk_size_(chunk_size) {}

 private:
  bool add_next(TaskGroup& group) override {
    chunk_.clear();
    try {
      fill_chunk();
    } catch (...) {  // those that came before it go
      error_ = std::current_exception();
    }
    if (chunk_.empty()) return false;
    group.add([&](Encoder& out) { Transfer<std::vector<T>>::encode(out, chunk_); });
    return true;
  }
  void fill_chunk() {
    if (!at_) at_.emplace(std::ranges::begin(view_));
    while (chunk_.size() < chunk_size_ && *at_ != std::ranges::end(view_)) {
      chunk_.emplace_back(**at_);
      ++*at_;
    }
  }

  View view_;
  std::optional<std::ranges::iterator_t<View>> at_;
  std::size_t chunk_size_;
  std::vector<T> chunk_;
};

}  // namespace detail

// Moved, not copied; one thread at a time. Takes elements from the range in the thread that asks for results, as far ahead as
// ImapOptions::look_ahead says. What the range throws comes behind the results of what it gave before. When it is destroyed, tasks that
// have not begun are cancelled.
template <class R>
class Results {
 public:
  using value_type = R;

  Results(std::shared_ptr<TaskGroup> group, std::unique_ptr<detail::ChunkSource> source, bool in_order,
          std::size_t look_ahead, std::size_t chunk_size)
      : group_(std::move(group)),
        source_(std::move(source)),
        in_order_(in_order),
        look_ahead_(look_ahead),
        chunk_size_(chunk_size) {
    look_ahead_further();
  }
  Results(Results&&) noexcept = default;
  Results& operator=(Results&& other) noexcept {
    if (this != &other) {
      give_up();
      group_ = std::move(other.group_);
      source_ = std::move(other.source_);
      chunk_ = std::move(other.chunk_);
      error_ = std::move(other.error_);
      in_order_ = other.in_order_, at_end_ = other.at_end_;
      look_ahead_ = other.look_ahead_, chunk_size_ = other.chunk_size_;
      added_ = other.added_, taken_ = other.taken_;
    }
    return *this;
  }
  ~Results() { give_up(); }

  // The next result; nothing at the end. Throws what its task threw, WorkerLost and so on: for one element, or a whole chunk that
  // was lost; the next call goes on behind it.
  [[nodiscard]] std::optional<R> next() { return next_until(Deadline::never()); }
  // Throws TimeoutError at the deadline.
  [[nodiscard]] std::optional<R> next_until(Deadline deadline) {
    if (!group_) throw UsageError("reading results of a pool: they were moved from");
    while (!chunk_ || chunk_->left() == 0) {
      chunk_.reset();
      if (!take_chunk(deadline)) return std::nullopt;
    }
    return chunk_->next();
  }
  template <class Rep, class Period>
  [[nodiscard]] std::optional<R> next_for(const std::chrono::duration<Rep, Period>& timeout) {
    return next_until(Deadline::after(timeout));
  }

  class Iterator {
   public:
    using value_type = R;
    using difference_type = std::ptrdiff_t;
    explicit Iterator(Results& results) : results_(&results), result_(results.next()) {}
    [[nodiscard]] R& operator*() const { return *result_; }
    Iterator& operator++() {
      result_ = results_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& it, std::default_sentinel_t /*end*/) { return !it.result_; }

   private:
    Results* results_;
    mutable std::optional<R> result_;
  };
  [[nodiscard]] Iterator begin() { return Iterator(*this); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  bool take_chunk(Deadline deadline) {
    look_ahead_further();
    if (taken_ == added_) {
      if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
      return false;
    }
    std::size_t task = taken_;
    if (in_order_) {
      if (!group_->wait(task, deadline)) throw_late();
    } else {
      const auto ended = group_->wait_next(deadline);
      if (!ended) throw_late();
      task = *ended;
    }
    ++taken_;
    TaskOutcome outcome = group_->take(task);
    chunk_ = std::make_unique<detail::ChunkResults<R>>(std::move(outcome));
    return true;
  }

  [[noreturn]] static void throw_late() {
    throw TimeoutError("waiting for the next result of a pool: the deadline passed");
  }

  // In steps of half of what may be ahead: each costs the pool's lock once.
  void look_ahead_further() {
    if (at_end_) return;
    const std::size_t most =
        look_ahead_ == 0 ? group_->appetite() : std::max<std::size_t>(1, look_ahead_ / chunk_size_);
    if (added_ - taken_ > most / 2) return;
    const std::size_t before = added_;
    while (!at_end_ && added_ - taken_ < most) {
      at_end_ = !source_->add_chunk(*group_);
      if (!at_end_) ++added_;
    }
    if (added_ != before) submit(before);
    if (!at_end_) return;
    if (!error_) error_ = source_->error();
    source_.reset();
  }

  // Where the pool takes no more, that is heard behind the results of those that it took.
  void submit(std::size_t before) {
    try {
      group_->submit();
    } catch (...) {
      if (before == 0) throw;
      added_ = before;
      at_end_ = true;
      error_ = std::current_exception();
    }
  }

  void give_up() noexcept {
    if (group_ && (taken_ != added_)) group_->abandon();
  }

  std::shared_ptr<TaskGroup> group_;
  std::unique_ptr<detail::ChunkSource> source_;
  std::unique_ptr<detail::ChunkResults<R>> chunk_;
  std::exception_ptr error_;  // to be thrown at the end
  bool in_order_;
  bool at_end_ = false;
  std::size_t look_ahead_;
  std::size_t chunk_size_;
  std::size_t added_ = 0;  // chunks
  std::size_t taken_ = 0;
};

}  // namespace polyproc::inline v0
