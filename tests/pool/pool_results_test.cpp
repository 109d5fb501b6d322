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

#include "support/start_methods.hpp"

namespace polyproc::testing {
namespace {

using ::testing::ElementsAre;

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
TEST_F(PoolResults, ThatCannotBeReadCostNoOthers) {
  for (const std::size_t chunk_size : {1u, 4u}) {
    auto results =
        pool_.imap([](int i) { return Fragile{i}; }, std::views::iota(0, 7), {.chunk_size = chunk_size});
    EXPECT_THAT(all_of(results, [](const Fragile& it) { return it.number; }),
                ElementsAre(0, -1, 2, -1, 4, -1, 6));
  }
  EXPECT_THROW((void)pool_.map([](int i) { return Fragile{i}; }, std::views::iota(0, 7)), DecodeError);
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
