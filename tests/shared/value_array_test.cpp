// SPDX-License-Identifier: MIT
// Value and Array: what they hold, what they refuse, and two processes at work on them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/shared/array.hpp>
#include <polyproc/shared/value.hpp>

#include <array>
#include <complex>
#include <cstdint>
#include <functional>
#include <limits>
#include <list>
#include <memory>
#include <mutex>
#include <numeric>
#include <ranges>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/forked_child.hpp"

namespace polyproc {
namespace {

using ::testing::ElementsAre;
using testing::ForkedChild;

struct Point {
  double x, y;
  bool operator==(const Point&) const = default;
};
struct alignas(256) Wide {
  int value;
};
enum class Color : std::uint8_t { red, green };

static_assert(Shareable<int> && Shareable<Point> && Shareable<std::array<Point, 3>> && Shareable<Color> &&
              Shareable<std::complex<float>> && Shareable<Wide>);
static_assert(!Shareable<int*> && !Shareable<int&> && !Shareable<const char*> && !Shareable<void (*)()> &&
              !Shareable<int Point::*> && !Shareable<std::nullptr_t>);
static_assert(!Shareable<std::string> && !Shareable<std::vector<int>> && !Shareable<std::unique_ptr<int>>);
static_assert(!Shareable<std::string_view> && !Shareable<std::span<int>> && !Shareable<std::span<int, 4>>);
static_assert(!Shareable<std::reference_wrapper<int>>);
static_assert(!Shareable<std::array<int*, 4>> && !Shareable<std::array<std::string_view, 2>> &&
              !Shareable<std::array<std::array<int*, 2>, 2>> && !Shareable<int* [4]>);
struct HidesAPointer {
  int number;
  struct {
    std::array<const char*, 2> names;
  } inner;
};
static_assert(!Shareable<HidesAPointer> && !Shareable<std::array<HidesAPointer, 2>>);
static_assert(!Shareable<const int> && !Shareable<volatile int>);

template <class T>
std::string format_of() {
  return std::string(element_type<T>().format);
}

TEST(ElementFormat, IsThatOfPep3118) {
  EXPECT_EQ(format_of<bool>(), "?");
  EXPECT_EQ(format_of<char>(), "c");
  EXPECT_EQ(format_of<std::int8_t>(), "b");
  EXPECT_EQ(format_of<std::uint8_t>(), "B");
  EXPECT_EQ(format_of<short>(), "h");
  EXPECT_EQ(format_of<unsigned>(), "I");
  EXPECT_EQ(format_of<long>(), "l");
  EXPECT_EQ(format_of<unsigned long long>(), "Q");
  EXPECT_EQ(format_of<float>(), "f");
  EXPECT_EQ(format_of<double>(), "d");
  EXPECT_EQ(format_of<long double>(), "g");
  EXPECT_EQ(format_of<Color>(), "B");
  EXPECT_EQ((format_of<std::complex<double>>()), "Zd");
  EXPECT_EQ((format_of<std::array<float, 3>>()), "(3)f");
  EXPECT_THAT(format_of<Point>(), ::testing::StartsWith("16s:"));
  EXPECT_NE(format_of<Point>(), format_of<Wide>());
}

TEST(Value, HoldsItsInitialValueAndTakesOthers) {
  Value<int> number(42);
  EXPECT_EQ(number, 42);
  number = 43;
  EXPECT_EQ(number.get(), 43);
  number.set(44);
  EXPECT_EQ(number + 1, 45);
  number.ref() += 1;
  EXPECT_EQ(number, 45);
  EXPECT_EQ(number.atomic().fetch_add(5), 45);
  Value<double> zero;
  EXPECT_EQ(zero, 0.0);
  Value<Point> point(Point{1, 2});
  point = Point{3, 4};
  EXPECT_EQ(point.get(), (Point{3, 4}));
  Value<Wide> wide(Wide{7});
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&wide.ref()) % 256, 0u);
  EXPECT_EQ(wide.get().value, 7);
}

TEST(Value, IsSharedWithChildrenAndCountsUnderItsLock) {
  Value<long> sum(0);
  const auto add = [&] {
    for (int i = 0; i < 5000; ++i) {
      const std::scoped_lock guard(sum.get_lock());
      sum = sum + 1;
    }
  };
  ForkedChild child(add);
  add();
  EXPECT_EQ(child.join(), 0);
  EXPECT_EQ(sum, 10000);
}

TEST(Value, CountsAtomicallyWithoutALock) {
  Value<std::uint64_t> sum;
  const auto add = [&] {
    for (int i = 0; i < 20000; ++i) sum.atomic().fetch_add(1);
  };
  ForkedChild child(add);
  add();
  EXPECT_EQ(child.join(), 0);
  EXPECT_EQ(sum, 40000u);
}

TEST(Value, OnesMadeAfterAForkDoNotShareAReference) {
  const Arena arena = Arena::anonymous();
  auto held = std::make_unique<Value<int>>(arena, 1);
  ForkedChild child([&] { ::pause(); });
  held.reset();  // not the last reference: the child has one
  std::vector<Value<int>> more;
  for (int i = 0; i < 10; ++i) more.emplace_back(arena, i);
  child.kill(SIGKILL);
  EXPECT_EQ(child.join(), -SIGKILL);
  for (int i = 9; i > 0; --i) {
    more.pop_back();
    for (int j = 0; j < i; ++j) ASSERT_EQ(more.at(static_cast<std::size_t>(j)), j);
  }
  arena.recover();
  const ArenaReport report = arena.check();
  EXPECT_TRUE(report.clean()) << (report.clean() ? "" : report.errors.front());
}

TEST(Value, HandlesAreCountedAndEmptyOnesRefused) {
  Value<int> value(1);
  Value<int> copy = value;
  copy = 2;
  EXPECT_EQ(value, 2);
  EXPECT_EQ(copy.handle(), value.handle());
  Value<int> moved = std::move(copy);
  EXPECT_THROW((void)copy.get(), UsageError);  // NOLINT: the moved-from state is the subject
  EXPECT_THROW(copy = 3, UsageError);
  moved.close();
  EXPECT_THROW((void)moved.atomic(), UsageError);
  EXPECT_THROW(moved.get_lock().lock(), UsageError);
}

TEST(Value, PrintsWhatItHolds) {
  std::ostringstream out;
  out << Value<int>(7) << ' ' << Array<int>{1, 4, 9} << ' ' << Array<double>(0);
  EXPECT_EQ(out.str(), "7 [1, 4, 9] []");
}

TEST(Array, IsMadeOfZeroesOrOfAnyRange) {
  EXPECT_THAT(Array<int>(3), ElementsAre(0, 0, 0));
  EXPECT_THAT((Array<int>{4}), ElementsAre(4));
  EXPECT_THAT(Array<long>(std::vector<int>{1, 2}), ElementsAre(1, 2));
  EXPECT_THAT(Array(std::list<double>{0.5}), ElementsAre(0.5));
  EXPECT_THAT(Array(std::views::iota(1, 4)), ElementsAre(1, 2, 3));
  std::istringstream words("5 6 7");
  EXPECT_THAT(Array<int>(std::ranges::istream_view<int>(words)), ElementsAre(5, 6, 7));
  EXPECT_THAT(Array<char>(std::string_view("ab")), ElementsAre('a', 'b'));
  const Arena arena = Arena::anonymous();
  EXPECT_THAT(Array<int>(arena, std::vector<int>{3}), ElementsAre(3));
}

TEST(Array, IsAContiguousSizedRange) {
  static_assert(std::ranges::contiguous_range<Array<int>> && std::ranges::sized_range<Array<int>>);
  Array<int> array(std::views::iota(0, 10));
  EXPECT_EQ(array.size(), 10u);
  EXPECT_EQ(std::accumulate(array.begin(), array.end(), 0), 45);
  const std::span<int> span = array;
  span[3] = 33;
  EXPECT_EQ(array[3], 33);
  EXPECT_EQ(array.at(9), 9);
  EXPECT_THROW((void)array.at(10), std::out_of_range);
  EXPECT_EQ(array.front(), 0);
  EXPECT_EQ(array.back(), 9);
  EXPECT_THAT(array.slice(4, 6), ElementsAre(4, 5));
  EXPECT_THAT(array.slice(8, 99), ElementsAre(8, 9));
  EXPECT_TRUE(array.slice(7, 3).empty());
  array.assign(std::views::iota(10, 20));
  EXPECT_THAT(array.slice(0, 2), ElementsAre(10, 11));
  EXPECT_THROW(array.assign(std::vector<int>{1}), InvalidArgument);
  array.fill(5);
  EXPECT_EQ(array.to_vector(), std::vector<int>(10, 5));
  array.atomic(2) += 2;
  EXPECT_EQ(array[2], 7);
}

TEST(Array, OfNothingIsEmpty) {
  Array<int> none(0);
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.begin(), none.end());
  EXPECT_TRUE(none.slice(0, 5).empty());
  EXPECT_THROW((void)none.front(), std::out_of_range);
  EXPECT_THAT(Array<int>(std::vector<int>{}), ElementsAre());
}

TEST(Array, BeyondMemoryIsRefusedAndTheArenaWorksOn) {
  const Arena arena = Arena::anonymous({.limit = 16 << 20, .reserve = 0});
  { const Array<int> first(arena, 1); }  // tables that stay
  const std::uint64_t used = arena.stats().used;
  EXPECT_THROW(Array<char>(arena, std::size_t{17} << 20), ArenaFull);
  EXPECT_THROW(Array<int>(arena, std::numeric_limits<std::size_t>::max()), InvalidArgument);
  EXPECT_THROW(Array<int>(arena, std::numeric_limits<std::size_t>::max() / 8), ArenaFull);
  EXPECT_THROW(Array<char>(arena, std::numeric_limits<std::size_t>::max() / 2), ArenaFull);
  EXPECT_THROW(Array<int>(std::size_t{1} << 50), ArenaFull);
  EXPECT_EQ(arena.stats().used, used);
  EXPECT_TRUE(arena.check().clean());
  Array<int> array(arena, 1000);
  EXPECT_EQ(array[999], 0);
}

TEST(Array, IsSharedWithChildren) {
  Array<int> squares(4);
  ForkedChild child([&] {
    for (int i = 0; i < 4; ++i) squares[static_cast<std::size_t>(i)] = (i + 1) * (i + 1);
  });
  EXPECT_EQ(child.join(), 0);
  EXPECT_THAT(squares, ElementsAre(1, 4, 9, 16));
}

TEST(Array, IsEmptyOnceMovedFromOrClosed) {
  Array<int> array{1, 2};
  Array<int> moved = std::move(array);
  EXPECT_EQ(array.size(), 0u);  // NOLINT: the moved-from state is the subject
  EXPECT_THROW((void)array.data(), UsageError);
  EXPECT_THROW((void)array.at(0), std::out_of_range);
  array = moved;
  EXPECT_THAT(array, ElementsAre(1, 2));
  moved.close();
  EXPECT_TRUE(moved.empty());
  EXPECT_THROW((void)moved.span(), UsageError);
  EXPECT_THAT(array, ElementsAre(1, 2));
}

TEST(SharedTypes, AreCheckedOnOpening) {
  {
    const Arena arena = Arena::create("values");
    Value<int> value(arena, "count", 5);
    EXPECT_EQ(Value<int>(Arena::open("values"), "count", 9), 5);
    EXPECT_THROW(Value<float>(arena, "count"), TypeMismatch);
    EXPECT_THROW(Array<int>(arena, "count", 1), TypeMismatch);
    Array<Point> points(arena, "points", 3);
    EXPECT_EQ(Array<Point>(arena, "points", 99).size(), 3u);
    EXPECT_THROW((void)Array<double>::from_block(points.block()), TypeMismatch);
    EXPECT_EQ(Array<Point>::from_block(points.block()).data(), points.data());
    RLock lock = RLock::from_block(value.block());
    lock.lock();
    EXPECT_TRUE(value.get_lock().locked());
    lock.unlock();
  }
  Arena::remove("values");
}

TEST(LargeArray, ReachesBeyond4GiB) {
  constexpr std::size_t kCount = (std::size_t{4} << 30) / 8 + 1000;
  std::unique_ptr<Array<std::uint64_t>> array;
  try {
    array = std::make_unique<Array<std::uint64_t>>(kCount);
  } catch (const ArenaFull& error) {
    GTEST_SKIP() << error.what();
  }
  (*array)[kCount - 1] = 7;
  (*array)[kCount / 2] = 8;
  ForkedChild child(
      [&] { return (*array)[kCount - 1] == 7 && (*array)[kCount / 2] == 8 && (*array)[5] == 0 ? 0 : 1; });
  EXPECT_EQ(child.join(), 0);
  array.reset();
  Arena::family().recover();
  EXPECT_LT(Arena::family().stats().used, std::uint64_t{64} << 20);
}

}  // namespace
}  // namespace polyproc
