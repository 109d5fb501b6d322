// SPDX-License-Identifier: MIT
// Results of lazy and other ranges: what they keep, what is lost when a range, an element or a result is bad, and what is given up.
#include <polyproc/pool/pool.hpp>

#include <gmock/gmock.h>

#include <array>
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

// A type with a Transfer of its own goes by it also as an element.
TEST_F(PoolResults, OfATypeThatHasATransferMayBeArrays) {
  EXPECT_EQ((pool_.apply([](const std::array<Fragile, 2>& both) { return both[0].number + both[1].number; },
                         std::array<Fragile, 2>{{{2}, {4}}})),
            6);
  EXPECT_THROW((void)pool_.apply([] { return std::array<Fragile, 2>{{{2}, {3}}}; }), DecodeError);
  EXPECT_EQ(pool_.apply([] { return std::array<int, 2>{1, 2}; })[1], 2);
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

// Whose one worker waits.
struct BusyPool {
  BusyPool() { begun.wait(); }
  void open() {
    gate.set();
    EXPECT_NO_THROW(first.get());
  }
  Event begun;
  Event gate;
  Pool pool{1};
  Future<void> first = pool.submit(count_behind_gate, GateAndCount{begun, gate, Value<int>(0)});
};

TEST(PoolTasks, AreCancelledTogether) {
  BusyPool busy;
  Pool& pool = busy.pool;
  const auto before = pool.submit(square, 2);
  const auto all = pool.map_async(square, std::views::iota(0, 1000), {.chunk_size = 1});
  const auto behind = pool.submit(square, 3);
  EXPECT_TRUE(all.cancel());
  EXPECT_FALSE(all.cancel());
  EXPECT_TRUE(all.ready());
  busy.open();
  EXPECT_THROW((void)all.get(), Cancelled);
  EXPECT_EQ(before.get() + behind.get(), 4 + 9);
  const auto begun_map = pool.map_async(square, std::views::iota(0, 10), {.chunk_size = 1});
  begun_map.wait();
  EXPECT_FALSE(begun_map.cancel());
}

// Cancelled where nobody can take them: nothing of them stays, and the pool is as before.
TEST(PoolTasks, CancelledOverAndOverTakeNoMemory) {
  BusyPool busy;
  Pool& pool = busy.pool;
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
  busy.open();
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

}  // namespace
}  // namespace polyproc::testing
