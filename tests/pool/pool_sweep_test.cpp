// SPDX-License-Identifier: MIT
// A worker killed after each machine instruction of its work: what it reported is in the one queue, what it had not begun in the other,
// and what is in neither is one task at most. And the pool killed while it gives out tasks: a worker gets them whole, or not.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <polyproc/pool/task.hpp>

#include "pool/item_receiver.hpp"
#include "pool/worker.hpp"
#include "support/sweep.hpp"

namespace polyproc {
namespace {

using testing::Death;
using testing::sweep;

constexpr std::uint64_t kTasks = 3;
constexpr std::size_t kLeast = 30;  // instructions, or it was not the operation that was swept

std::string twice(std::string text) { return text + text; }
std::string argument(std::uint64_t task, std::size_t size) {
  return std::to_string(task) + std::string(size, 'x');
}

class SweepPool : public ::testing::Test {
 protected:
  // Fresh queues.
  void renew() {
    worker_.reset();
    tasks_.reset();
    reports_.reset();
    Arena::family().recover();
    tasks_.emplace(make_pool_queue());
    reports_.emplace(make_pool_queue());
    sigset_t signals;
    ::sigprocmask(SIG_SETMASK, nullptr, &signals);
    worker_ = make_worker(7, *tasks_, *reports_, nullptr, signals);
  }
  // The tasks' items, framed as the pool puts them.
  [[nodiscard]] std::vector<std::byte> frames() const {
    const auto function =
        detail::encode_function<detail::CallFunction<decltype(&twice), std::string>>(&twice);
    std::vector<std::byte> all;
    for (std::uint64_t task = 1; task <= kTasks; ++task) {
      Encoder item;
      const TaskHeader header{task, function.size()};
      item.write(std::as_bytes(std::span(&header, 1)));
      item.write(function);
      item.write_text(argument(task, size_));
      const std::uint64_t frame = std::uint64_t{item.bytes().size()} << 3;
      Encoder framed;
      framed.write_count(frame);
      framed.write(item.bytes());
      (void)framed.extend((8 - item.bytes().size() % 8) % 8);
      all.insert(all.end(), framed.bytes().begin(), framed.bytes().end());
    }
    return all;
  }
  void put_all() {
    const auto all = frames();
    for (std::span<const std::byte> rest = all; !rest.empty();)
      ASSERT_EQ(tasks_->put_frames(rest, Deadline::never()), QueueStatus::done);
  }

  // The numbers of the tasks that are in the queue, whole.
  [[nodiscard]] std::vector<std::uint64_t> waiting() {
    std::vector<std::uint64_t> found;
    for (;;) {
      ItemReceiver item;
      if (tasks_->get(item, Deadline::now()) != QueueStatus::done) return found;
      std::span<const std::byte> bytes = item.bytes();
      const auto header = read_header<TaskHeader>(bytes);
      Decoder rest(bytes.subspan(header.function_size));
      EXPECT_EQ(rest.read_text(), argument(header.task, size_));
      found.push_back(header.task);
    }
  }
  // Of those that have their right result among the reports.
  [[nodiscard]] std::vector<std::uint64_t> reported() {
    std::vector<std::uint64_t> found;
    for (bool ready = false;;) {
      ItemReceiver item;
      if (reports_->get(item, Deadline::now()) != QueueStatus::done) return found;
      std::span<const std::byte> bytes = item.bytes();
      const auto header = read_header<ReportHeader>(bytes);
      EXPECT_EQ(header.worker, 7u);
      EXPECT_EQ(header.report == Report::ready, !ready);
      ready = true;
      if (header.report == Report::ready) continue;
      EXPECT_EQ(header.report, Report::value);
      EXPECT_EQ(Decoder(bytes).read_text(), twice(argument(header.task, size_)));
      found.push_back(header.task);
    }
  }
  static void expect_whole_arena() {
    Arena::family().recover();
    for (const std::string& error : Arena::family().check().errors) ADD_FAILURE() << error;
  }

  // A worker that begins, does all tasks and ends.
  std::size_t sweep_worker(std::size_t size, std::size_t stride) {
    size_ = size;
    const auto begin = [&] {
      renew();
      put_all();
      tasks_->shutdown(false);
    };
    begin();
    const auto verify = [&](const Death& death) {
      const auto done = reported();
      const auto left = waiting();
      std::uint64_t next = 1;
      for (const std::uint64_t task : done) EXPECT_EQ(task, next++);
      const std::uint64_t lost = kTasks - done.size() - left.size();
      EXPECT_LE(lost, death.completed ? 0u : 1u);
      next += lost;
      for (const std::uint64_t task : left) EXPECT_EQ(task, next++);
      EXPECT_EQ(next, kTasks + 1);
      if (death.completed) {
        EXPECT_EQ(done.size(), kTasks);
      }
      begin();
      expect_whole_arena();
    };
    return sweep({.operation = [&] { worker_->run(); }, .verify = verify, .stride = stride});
  }

  // The pool gives a worker all tasks at once, and tells it to end.
  std::size_t sweep_giving(std::size_t size, std::size_t stride) {
    size_ = size;
    renew();
    const auto all = frames();
    const auto give = [&] {
      for (std::span<const std::byte> rest = all; !rest.empty();)
        (void)tasks_->put_frames(rest, Deadline::never());
      tasks_->shutdown(false);
    };
    const auto verify = [&](const Death& death) {
      const bool ends = tasks_->is_shut_down();
      const auto given = waiting();
      std::uint64_t next = 1;
      for (const std::uint64_t task : given) EXPECT_EQ(task, next++);
      if (ends || death.completed) {
        EXPECT_EQ(given.size(), kTasks);
      }
      if (death.completed) {
        EXPECT_TRUE(ends);
      }
      renew();
      expect_whole_arena();
    };
    return sweep({.operation = give, .verify = verify, .stride = stride});
  }

  std::size_t size_ = 0;
  std::optional<ByteQueue> tasks_;
  std::optional<ByteQueue> reports_;
  std::unique_ptr<ProcessTarget> worker_;
};

TEST_F(SweepPool, AWorkerThatDoesShortTasks) { EXPECT_GT(sweep_worker(10, 7), kLeast); }
TEST_F(SweepPool, AWorkerThatDoesLongTasks) { EXPECT_GT(sweep_worker(1500, 31), kLeast); }
TEST_F(SweepPool, APoolThatGivesShortTasks) { EXPECT_GT(sweep_giving(10, 2), kLeast); }
TEST_F(SweepPool, APoolThatGivesLongTasks) { EXPECT_GT(sweep_giving(1000, 5), kLeast); }

}  // namespace
}  // namespace polyproc
