// SPDX-License-Identifier: MIT
// Groups of tasks below the typed pool: results taken in any order, tasks that there are not, failures among the results of a chunk.
#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <stdexcept>
#include <vector>

#include <polyproc/codec/remote_error.hpp>
#include <polyproc/pool/task.hpp>

#include "support/start_methods.hpp"

namespace polyproc::testing {
namespace {

int square(int x) { return x * x; }

class TaskGroups : public ::testing::Test {
 protected:
  [[nodiscard]] std::shared_ptr<TaskGroup> squares(int count) const {
    auto group =
        pool_.group(detail::encode_function<detail::CallFunction<decltype(&square), int>>(&square), {}, true);
    for (int i = 0; i < count; ++i) group->add([&](Encoder& out) { Transfer<int>::encode(out, i); });
    if (count != 0) group->submit();
    return group;
  }
  static int take(TaskGroup& group, std::size_t task) {
    const TaskOutcome outcome = group.take(task);
    outcome.require_result();
    Decoder in(outcome.result());
    return Transfer<int>::decode(in);
  }
  BytePool pool_{{.processes = 2}, nullptr};
};

TEST_F(TaskGroups, GiveTheirResultsInAnyOrder) {
  constexpr int kTasks = 1000;
  const auto group = squares(kTasks);
  ASSERT_TRUE(group->wait_all(Deadline::after(kLong)));
  std::vector<int> order;
  for (int i = 0; i < kTasks; ++i) {
    if (i % 100 != 7) order.push_back(i);
  }
  for (int i = kTasks - 100 + 7; i > 0; i -= 100) order.push_back(i);
  ASSERT_EQ(order.size(), static_cast<std::size_t>(kTasks));
  for (const int i : order) {
    const auto task = static_cast<std::size_t>(i);
    EXPECT_TRUE(group->wait(task, Deadline::now()));
    ASSERT_EQ(take(*group, task), i * i);
    ASSERT_THROW((void)group->take(task), UsageError);
    EXPECT_TRUE(group->wait(task, Deadline::now()));
  }
}

TEST_F(TaskGroups, RefuseToWaitForTasksThatThereAreNot) {
  const Deadline soon = Deadline::after(kLong);
  const auto group = squares(2);
  EXPECT_THROW((void)group->wait(2, soon), UsageError);
  ASSERT_TRUE(group->wait_all(soon));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(group->wait_next(soon).has_value());
  EXPECT_THROW((void)group->wait_next(soon), UsageError);
  EXPECT_THROW((void)group->wait_more(2, soon), UsageError);
  EXPECT_THROW((void)squares(0)->wait(0, soon), UsageError);
}

TEST(PoolExceptions, AlternateWithResultsInLinearTime) {
  constexpr std::uint64_t kElements = 100'000;
  struct Wide {
    std::uint64_t number;
    char rest[120];
  };
  Encoder out;
  out.write_count(kElements);
  out.write_count(0);
  detail::Exceptions exceptions;
  for (std::uint64_t i = 0; i < kElements; ++i) {
    const Wide element{i, {}};
    out.write(std::as_bytes(std::span(&element, 1)));
    if (i % 2 == 0) continue;
    try {
      throw std::out_of_range("odd");
    } catch (...) {
      exceptions.add(i);
    }
  }
  exceptions.write(out, 0, sizeof(Wide));
  TaskOutcome outcome{.end = TaskEnd::partly};
  outcome.bytes = std::move(out).take_bytes();
  detail::ChunkResults<Wide> results(std::move(outcome));
  for (std::uint64_t i = 0; i < kElements; ++i) {
    if (i % 2 != 0) {
      ASSERT_THROW((void)results.next(), RemoteError);
    } else {
      ASSERT_EQ(results.next().number, i);
    }
  }
  EXPECT_EQ(results.left(), 0u);
}

}  // namespace
}  // namespace polyproc::testing
