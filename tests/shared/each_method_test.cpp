// SPDX-License-Identifier: MIT
// Values and arrays among children of every start method, to which the handle is passed as an argument.
#include <polyproc/os/error.hpp>
#include <polyproc/shared/array.hpp>
#include <polyproc/shared/value.hpp>

#include <mutex>
#include <numeric>

#include "support/start_methods.hpp"

namespace polyproc::testing {
namespace {

struct Point {
  double x;
  std::int32_t id;
};

class ValueUnder : public EachMethod {};
class ArrayUnder : public EachMethod {};

TEST_P(ValueUnder, IsOneVariable) {
  Value<int> number(1);
  Value<Point> point(Point{0.5, 1});
  Process child = started(
      [](Value<int> theirs, Value<Point> place) {
        theirs = theirs + 41;
        place = Point{place.get().x * 2, place.get().id + 1};
      },
      number, point);
  expect_done(child);
  EXPECT_EQ(number.get(), 42);
  EXPECT_EQ(point.get().x, 1.0);
  EXPECT_EQ(point.get().id, 2);
}

void add_guarded(Value<int> sum) {
  for (int i = 0; i < 2000; ++i) {
    const std::scoped_lock guard(sum.get_lock());
    sum = sum + 1;
  }
}

TEST_P(ValueUnder, CarriesItsLock) {
  Value<int> sum(0);
  Process one = started(add_guarded, sum);
  Process two = started(add_guarded, sum);
  add_guarded(sum);
  expect_done(one);
  expect_done(two);
  EXPECT_EQ(sum.get(), 6000);
}

TEST_P(ValueUnder, IsAtomicWithoutIt) {
  Value<std::uint64_t> sum(0);
  const auto count = [](Value<std::uint64_t> theirs) {
    for (int i = 0; i < 20'000; ++i) theirs.atomic().fetch_add(1);
  };
  Process one = started(+count, sum);
  Process two = started(+count, sum);
  expect_done(one);
  expect_done(two);
  EXPECT_EQ(sum.get(), 40'000u);
}

TEST_P(ValueUnder, TellsThatTheHolderOfItsLockWasKilled) {
  Value<int> half(0);
  Queue<int> said;
  Process holder = started(
      [](Value<int> theirs, Queue<int> answer) {
        theirs.get_lock().lock();
        theirs = 1;
        answer.put(1);
        wait_for_ever();
      },
      half, said);
  ASSERT_EQ(take(said), 1);
  holder.kill();
  EXPECT_THROW(half.get_lock().lock(), OwnerDied);
  EXPECT_EQ(half.get(), 1);
  EXPECT_TRUE(half.get_lock().try_lock());
  half.get_lock().unlock();
  holder.join();
}

POLYPROC_EACH_METHOD(ValueUnder);

TEST_P(ArrayUnder, IsOneRange) {
  Array<int> numbers(1000);
  Process child = started([](Array<int> theirs) { std::iota(theirs.begin(), theirs.end(), 1); }, numbers);
  expect_done(child);
  EXPECT_EQ(std::accumulate(numbers.begin(), numbers.end(), 0), 500'500);
}

TEST_P(ArrayUnder, IsWrittenByManyAtOnce) {
  Array<std::uint64_t> numbers(4);
  const auto work = [](Array<std::uint64_t> theirs, std::size_t mine) {
    for (int i = 0; i < 5000; ++i) {
      theirs[mine] += 1;
      theirs.atomic(3).fetch_add(1);
    }
  };
  Process zero = started(+work, numbers, std::size_t{0});
  Process one = started(+work, numbers, std::size_t{1});
  expect_done(zero);
  expect_done(one);
  EXPECT_EQ(numbers[0], 5000u);
  EXPECT_EQ(numbers[1], 5000u);
  EXPECT_EQ(numbers[3], 10'000u);
}

TEST_P(ArrayUnder, OutlivesAChildThatIsKilledInIt) {
  Array<char> bytes(std::size_t{4} << 20);
  Queue<int> said;
  Process child = started(
      [](Array<char> theirs, Queue<int> answer) {
        theirs[theirs.size() - 1] = 'x';
        answer.put(1);
        wait_for_ever();
      },
      bytes, said);
  ASSERT_EQ(take(said), 1);
  child.kill();
  child.join();
  EXPECT_EQ(bytes[bytes.size() - 1], 'x');
  EXPECT_EQ(Arena::family().stats().processes, 1 + servers());
  EXPECT_TRUE(Arena::family().check().clean());
}

POLYPROC_EACH_METHOD(ArrayUnder);

}  // namespace
}  // namespace polyproc::testing
