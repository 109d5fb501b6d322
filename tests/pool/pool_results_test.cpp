// SPDX-License-Identifier: MIT
// Results of lazy and other ranges: what they keep, what is lost when a range, an element or a result is bad, and what is given up.
#include <polyproc/pool/pool.hpp>

#include <gmock/gmock.h>

#include <numeric>
#include <ranges>
#include <stdexcept>
#include <tuple>
#include <vector>

#include <polyproc/polyproc.hpp>

#include "support/allocated.hpp"
#include "support/start_methods.hpp"

namespace polyproc::testing {
namespace {

using ::testing::ElementsAre;

int square(int x) { return x * x; }

// Goes to a worker and back but for some numbers: of those below 0 it cannot be written, of the odd ones not be read to its end.
struct Fragile {
  int number = 0;
};

}  // namespace
}  // namespace polyproc::testing

template <>
struct polyproc::Transfer<polyproc::testing::Fragile> {
  static void encode(Encoder& out, const polyproc::testing::Fragile& it) {
    if (it.number < 0) throw std::domain_error("below zero");
    out.write_count(static_cast<std::uint64_t>(it.number));
    out.write_text("and more");
  }
  static polyproc::testing::Fragile decode(Decoder& in) {
    const int number = static_cast<int>(in.read_count());
    if (number % 2 != 0) throw DecodeError("odd", 0);
    (void)in.read_text();
    return {number};
  }
};

namespace polyproc::testing {
namespace {

class PoolResults : public ::testing::Test {
 protected:
  Pool pool_{2};
};

// What the results give until they end: numbers, and -1 for each exception.
template <class R, class Number>
std::vector<int> all_of(Results<R>& results, Number number) {
  std::vector<int> all;
  for (;;) {
    try {
      const auto next = results.next_for(kLong);
      if (!next) return all;
      all.push_back(number(*next));
    } catch (const std::exception&) {
      all.push_back(-1);
    }
  }
}
std::vector<int> all_of(Results<int>& results) {
  return all_of(results, [](int each) { return each; });
}

// Numbers from 0 on, of which one cannot be had.
auto numbers_that_throw(int at) {
  return std::views::iota(0, 100) | std::views::transform([at](int i) {
           if (i == at) throw std::out_of_range("no such number");
           return i;
         });
}

TEST_F(PoolResults, ComeBeforeWhatTheirRangeThrows) {
  for (const std::size_t chunk_size : {1u, 3u}) {
    auto results = pool_.imap(square, numbers_that_throw(5), {.chunk_size = chunk_size});
    EXPECT_THAT(all_of(results), ElementsAre(0, 1, 4, 9, 16, -1)) << chunk_size;
    EXPECT_EQ(results.next(), std::nullopt);
    auto ahead = pool_.imap(square, numbers_that_throw(5), {.chunk_size = chunk_size, .look_ahead = 2});
    EXPECT_THAT(all_of(ahead), ElementsAre(0, 1, 4, 9, 16, -1)) << chunk_size;
    auto unordered = pool_.imap_unordered(square, numbers_that_throw(5), {.chunk_size = chunk_size});
    EXPECT_EQ(all_of(unordered).size(), 6u);
  }
  auto at_once = pool_.imap(square, numbers_that_throw(0));
  EXPECT_THROW((void)at_once.next(), std::out_of_range);
  EXPECT_EQ(at_once.next(), std::nullopt);
  EXPECT_THROW((void)pool_.map(square, numbers_that_throw(5)), std::out_of_range);
}

TEST_F(PoolResults, ComeBeforeAnElementThatCannotBeSent) {
  const std::vector<Fragile> elements{{0}, {2}, {4}, {-1}, {6}};
  auto results = pool_.imap([](const Fragile& it) { return it.number; }, elements);
  EXPECT_THAT(all_of(results), ElementsAre(0, 2, 4, -1));
}

TEST_F(PoolResults, ThatCannotBeReadCostNoOthers) {
  for (const std::size_t chunk_size : {1u, 4u}) {
    auto results =
        pool_.imap([](int i) { return Fragile{i}; }, std::views::iota(0, 7), {.chunk_size = chunk_size});
    EXPECT_THAT(all_of(results, [](const Fragile& it) { return it.number; }),
                ElementsAre(0, -1, 2, -1, 4, -1, 6));
  }
  EXPECT_THROW((void)pool_.map([](int i) { return Fragile{i}; }, std::views::iota(0, 7)), DecodeError);
}

TEST_F(PoolResults, OfAViewThatCanOnlyBeMoved) {
  const auto doubled = [](int i) { return 2 * i; };
  const auto numbers = [&] { return std::vector{1, 2, 3} | std::views::transform(doubled); };
  static_assert(!std::copyable<decltype(numbers())>);
  EXPECT_THAT(pool_.map(square, numbers()), ElementsAre(4, 16, 36));
  auto kept = numbers();
  EXPECT_THAT(pool_.map(square, kept), ElementsAre(4, 16, 36));
  EXPECT_THAT(pool_.map_async(square, numbers()).get(), ElementsAre(4, 16, 36));
  auto lazily = pool_.imap(square, numbers());
  EXPECT_THAT(all_of(lazily), ElementsAre(4, 16, 36));
}

using GateAndCount = std::tuple<Event, Event, Value<int>>;
// The first one waits for the gate.
void count_behind_gate(const GateAndCount& given) {
  auto [begun, gate, count] = given;
  const std::scoped_lock guard(count.get_lock());
  count = count + 1;
  if (count == 1) {
    begun.set();
    gate.wait();
  }
}

TEST_F(PoolResults, GivenUpRunNoTaskThatHasNotBegun) {
  Pool pool(1);
  const GateAndCount shared{Event(), Event(), Value<int>(0)};
  auto& [begun, gate, count] = shared;
  std::optional<Future<int>> other;
  {
    auto results = pool.imap(count_behind_gate, std::vector(20, shared));
    begun.wait();
    other = pool.submit(square, 5);
  }
  Event(gate).set();
  EXPECT_EQ(other->get(), 25);
  EXPECT_EQ(count.get(), 1);
}

TEST_F(PoolResults, AreCancelledTogether) {
  Pool pool(1);
  const GateAndCount shared{Event(), Event(), Value<int>(0)};
  auto& [begun, gate, count] = shared;
  const auto first = pool.submit(count_behind_gate, shared);
  begun.wait();
  const auto before = pool.submit(square, 2);
  const auto all = pool.map_async(square, std::views::iota(0, 1000), {.chunk_size = 1});
  const auto behind = pool.submit(square, 3);
  EXPECT_TRUE(all.cancel());
  EXPECT_FALSE(all.cancel());
  EXPECT_TRUE(all.ready());
  Event(gate).set();
  EXPECT_THROW((void)all.get(), Cancelled);
  EXPECT_EQ(before.get() + behind.get(), 4 + 9);
  EXPECT_NO_THROW(first.get());
  const auto begun_map = pool.map_async(square, std::views::iota(0, 10), {.chunk_size = 1});
  begun_map.wait();
  EXPECT_FALSE(begun_map.cancel());
}

// Cancelled where nobody can take them: nothing of them stays, and the pool is as before.
TEST_F(PoolResults, CancelledOverAndOverTakeNoMemory) {
  Pool pool(1);
  const GateAndCount shared{Event(), Event(), Value<int>(0)};
  auto& [begun, gate, count] = shared;
  const auto first = pool.submit(count_behind_gate, shared);
  begun.wait();
  std::vector<Future<int>> kept;
  const auto submit_and_cancel = [&] {
    for (int i = 0; i < 2000; ++i) ASSERT_TRUE(pool.submit(square, i).cancel());
  };
  submit_and_cancel();
  for (int i = 0; i < 5; ++i) kept.push_back(pool.submit(square, i));
  submit_and_cancel();
  const std::size_t before = allocated_bytes();
  for (int i = 0; i < 5; ++i) submit_and_cancel();
  EXPECT_LT(allocated_bytes(), before + 256 * 1024);
  Event(gate).set();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(kept[static_cast<std::size_t>(i)].get(), i * i);
}

TEST_F(PoolResults, ThatPassAHangingOneTakeNoMemory) {
  constexpr int kTasks = 100'000;
  const Event gate;
  auto results = pool_.imap_unordered(
      [](const std::optional<Event>& first) {
        if (first) first->wait();
        return first.has_value();
      },
      std::views::iota(0, kTasks) |
          std::views::transform([&](int i) { return i == 0 ? std::optional(gate) : std::nullopt; }),
      {.look_ahead = 1000});
  std::size_t before = 0;
  std::size_t most = 0;
  for (int i = 1; i < kTasks; ++i) {
    ASSERT_EQ(results.next_for(kLong), false);
    if (i == kTasks / 10) before = allocated_bytes();
    if (i % 1000 == 0) most = std::max(most, allocated_bytes());
  }
  EXPECT_LT(most, before + 1024 * 1024);
  Event(gate).set();
  EXPECT_EQ(results.next(), true);
  EXPECT_EQ(results.next(), std::nullopt);
}

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
