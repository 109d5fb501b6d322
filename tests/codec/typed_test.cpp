// SPDX-License-Identifier: MIT
// C++ values to bytes and back.
#include <polyproc/codec/codec.hpp>

#include <limits>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace polyproc {

struct Money {  // no aggregate: it has a Codec of its own
  explicit Money(long c) : cents(c) {}
  long cents;
  std::string note;
  friend bool operator==(const Money&, const Money&) = default;
};

template <>
struct Codec<Money> {
  static void write(Writer& out, const Money& money) {
    write_value(out, std::tuple(money.cents, money.note));
  }
  static Money read(Reader& in) {
    auto [cents, note] = read_value<std::tuple<long, std::string>>(in);
    Money money(cents);
    money.note = note;
    return money;
  }
};

namespace {

using namespace std::chrono_literals;

enum class Colour : std::uint8_t { red, green = 200 };
struct Point {
  double x, y;
  friend bool operator==(const Point&, const Point&) = default;
};
struct Record {
  int id;
  std::string name;
  std::vector<Point> path;
  std::optional<Colour> colour;
  std::map<std::string, std::pair<int, bool>> marks;
  friend bool operator==(const Record&, const Record&) = default;
};
struct Tree {
  int value;
  std::vector<Tree> children;
};
struct WithOptional {
  std::optional<int> a;
};
struct Empty {
  friend bool operator==(Empty, Empty) = default;
};

template <class T>
T round_trip(const T& value) {
  return decode_pickle<T>(to_pickle(value));
}
template <class T>
void expect_round_trip(const T& value) {
  EXPECT_EQ(round_trip(value), value);
  EXPECT_EQ(decode<T>(encode(value)), value);
  // The same through an Object, in each form that it is written in.
  const Object object = decode_pickle<Object>(to_pickle(value));
  EXPECT_EQ(decode_pickle<T>(to_pickle(object)), value);
}
template <class T>
std::string python(const T& value) {
  return decode_pickle<Object>(to_pickle(value)).repr();
}

template <class T>
void expect_whole_range() {
  for (const T value : {std::numeric_limits<T>::min(), T{0}, T{1}, std::numeric_limits<T>::max()}) {
    expect_round_trip(value);
    expect_round_trip(std::vector<T>{value});
  }
}

TEST(Typed, NumbersKeepTheirValueAndEnumsTheirs) {
  expect_whole_range<std::int8_t>();
  expect_whole_range<std::uint8_t>();
  expect_whole_range<char>();
  expect_whole_range<std::int16_t>();
  expect_whole_range<std::uint16_t>();
  expect_whole_range<int>();
  expect_whole_range<unsigned>();
  expect_whole_range<long>();
  expect_whole_range<unsigned long>();
  expect_whole_range<long long>();
  expect_whole_range<char32_t>();
  expect_round_trip(std::vector<bool>{true, false});
  expect_round_trip(std::vector<Colour>{Colour::green, Colour::red});
  expect_round_trip(std::vector<double>{0.1, -0.0, INFINITY, 5e-324});
  expect_round_trip(std::vector<float>{0.1F, -INFINITY});
  expect_round_trip(std::vector<std::complex<double>>{{1, 2}, {0, -1}});
  expect_round_trip(std::pair<Integer, int>{*Integer::from_decimal("-123456789012345678901234567890"), 1});
  for (int bits = 0; bits < 63; ++bits) {
    for (const std::int64_t value :
         {std::int64_t{1} << bits, -(std::int64_t{1} << bits), (std::int64_t{1} << bits) - 1})
      EXPECT_EQ(round_trip(value), value);
  }
}

TEST(Typed, ContainersComeBackEqual) {
  expect_round_trip(std::vector<int>{});
  expect_round_trip(std::vector<std::vector<std::string>>{{}, {"a", ""}, {std::string(70000, 'x')}});
  expect_round_trip(std::array<std::string, 2>{"a", "b"});
  expect_round_trip(std::array<std::string, 0>{});
  expect_round_trip(std::map<std::string, std::vector<int>>{{"a", {1}}, {"", {}}});
  expect_round_trip(std::unordered_map<int, std::string>{{1, "a"}, {-5, "b"}});
  expect_round_trip(std::set<std::string>{"x", "y"});
  expect_round_trip(std::set<int>{});
  expect_round_trip(std::unordered_set<long>{1, 2, 1L << 40});
  expect_round_trip(std::tuple<>());
  expect_round_trip(std::tuple<int, std::string, std::vector<bool>>{1, "z", {true}});
  expect_round_trip(std::vector<std::byte>{std::byte{0}, std::byte{255}});
  expect_round_trip(
      std::vector<std::pair<std::vector<int>, std::tuple<int, int, int, int>>>{{{}, {1, 2, 3, 4}}});
}

TEST(Typed, OptionalsAndVariantsKeepWhichTheyAre) {
  expect_round_trip(std::optional<int>());
  expect_round_trip(std::optional<int>(3));
  using Nested = std::optional<std::optional<int>>;
  expect_round_trip(std::vector<Nested>{Nested(), Nested(std::optional<int>()), Nested(5)});
  using Choice = std::variant<std::monostate, int, long, std::string, std::vector<int>>;
  expect_round_trip(std::vector<Choice>{{}, 1, 1L, "s", std::vector<int>{1}});
  EXPECT_EQ(python(Choice(1L)), "(2, 1)");
}

TEST(Typed, TimesTravelAsTicks) {
  expect_round_trip(1500ms);
  expect_round_trip(std::chrono::duration<double>(0.25));
  expect_round_trip(std::vector<std::chrono::hours>{1h, -2h});
  expect_round_trip(std::chrono::system_clock::now());
  EXPECT_EQ(python(1500ms), "1500");
}

TEST(Typed, StructsAreTuplesOfTheirMembers) {
  const Record record{7, "n\xff", {{1, 2}, {3, 4}}, Colour::green, {{"m", {1, true}}}};
  expect_round_trip(record);
  EXPECT_EQ(python(record), "(7, 'n\\udcff', [(1.0, 2.0), (3.0, 4.0)], 200, {'m': (1, True)})");
  expect_round_trip(std::vector<Empty>(2));
  const Tree tree{1, {{2, {}}, {3, {{4, {}}}}}};
  EXPECT_EQ(round_trip(tree).children[1].children[0].value, 4);
  expect_round_trip(Money(5));
  expect_round_trip(std::vector<Money>{Money(5)});
}

TEST(Typed, KeysAreHashableForPython) {
  const std::map<std::vector<int>, int> lists{{{}, 0}, {{1, 2}, 3}};
  expect_round_trip(lists);
  EXPECT_EQ(python(lists), "{(): 0, (1, 2): 3}");
  const std::set<std::set<int>> sets{{1}, {}};
  expect_round_trip(sets);
  EXPECT_EQ(python(sets), "{frozenset(), frozenset({1})}");
  const std::map<std::map<int, std::vector<int>>, std::vector<int>> maps{{{{1, {2}}, {3, {}}}, {4}},
                                                                         {{}, {}}};
  expect_round_trip(maps);
  EXPECT_EQ(python(maps), "{(): [], ((1, (2,)), (3, ())): [4]}");
  expect_round_trip(std::set<std::vector<std::set<std::string>>>{{{"a"}, {}}});
}

TEST(Typed, ObjectsStandBesideOtherValues) {
  Object loop = Object::list({1});
  loop.append(loop);
  const std::vector<Object> all{loop,
                                Object(),
                                5,
                                Object::dict({{1, Object::tuple({loop, loop})}}),
                                Object::set({1}),
                                std::complex<double>(1, 2),
                                Object::list(),
                                Object::tuple({1, 2})};
  const auto back = round_trip(all);
  ASSERT_EQ(back.size(), all.size());
  EXPECT_TRUE(back[0].at(1).same(back[0]));
  for (std::size_t i = 1; i < all.size(); ++i) EXPECT_EQ(back[i].repr(), all[i].repr());
  expect_round_trip(
      std::map<Object, int, decltype([](const Object& a, const Object& b) { return a.hash() < b.hash(); })>{
          {Object::tuple({1, "a"}), 1}});
  using Maybe = std::optional<Object>;
  EXPECT_EQ(round_trip(std::vector<Maybe>{Maybe(), Maybe(Object())})[1], Maybe(Object()));
}

TEST(Typed, RawValuesAreTheirBytes) {
  static_assert(RawValue<Point> && RawValue<int> && RawValue<std::array<Point, 3>>);
  static_assert(!RawValue<WithOptional> && !RawValue<std::chrono::seconds> && !RawValue<std::pair<int, int>>);
  EXPECT_EQ(encode(Point{1, 2}).size(), sizeof(Point));
  EXPECT_EQ(wire_type<int>().format, "i");
  EXPECT_EQ(wire_type<std::vector<int>>().format, "pickle");
  EXPECT_EQ(wire_type<WithOptional>().format, "pickle");
  EXPECT_THROW((void)decode<Point>(std::vector<std::byte>(7)), DecodeError);
}

template <class T>
std::size_t error_offset(const Object& value) {
  const auto bytes = to_pickle(value);
  try {
    (void)decode_pickle<T>(bytes);
  } catch (const DecodeError& error) {
    return error.offset();
  }
  ADD_FAILURE() << value << " was decoded";
  return 0;
}

TEST(Typed, WhatDoesNotFitIsADecodeErrorWithItsPlace) {
  EXPECT_EQ(error_offset<std::uint8_t>(256), 2u);
  EXPECT_EQ(error_offset<std::int8_t>(-129), 2u);
  EXPECT_EQ(error_offset<unsigned>(-1), 2u);
  EXPECT_EQ(error_offset<std::uint64_t>(-1), 2u);
  EXPECT_EQ(error_offset<std::int64_t>(std::numeric_limits<std::uint64_t>::max()), 2u);
  EXPECT_EQ(error_offset<float>(1e300), 2u);
  EXPECT_EQ(error_offset<int>("text"), 2u);
  EXPECT_EQ(error_offset<bool>(1), 2u);
  EXPECT_EQ(error_offset<std::string>(Object::bytes({})), 2u);
  EXPECT_EQ(error_offset<std::vector<int>>(Object::list({1, "x"})), 5u);
  using Pair = std::pair<int, int>;
  EXPECT_GT(error_offset<Pair>(Object::tuple({1, 2, 3})), 2u);
  EXPECT_GT(error_offset<Pair>(Object::tuple({1})), 2u);
  EXPECT_GT((error_offset<std::variant<int, bool>>(Object::tuple({2, 0}))), 2u);
}

TEST(Typed, NestingBeyondTheLimitIsAnError) {
  Object deep = Object::tuple({1, Object::list()});
  for (int i = 0; i < 2000; ++i) deep = Object::tuple({1, Object::list({deep})});
  EXPECT_THROW((void)decode_pickle<Tree>(to_pickle(deep)), DecodeError);
}

TEST(Typed, PartsThatAreRepeatedAgainAndAgainAreRefused) {
  Object value = Object::list({std::string(1000, 'x')});
  for (int i = 0; i < 30; ++i) value = Object::list({value, value});
  EXPECT_EQ(decode_pickle<Object>(to_pickle(value)).size(), 2u);
  EXPECT_THROW((void)decode_pickle<std::vector<Tree>>(to_pickle(value)), DecodeError);
}

TEST(Typed, WriterIsUsedAgain) {
  Writer out;
  for (int i = 0; i < 3; ++i) {
    out.clear();
    encode_pickle(std::string(1000, 'a'), out);
    EXPECT_EQ(decode_pickle<std::string>(out.bytes()).size(), 1000u);
  }
  EXPECT_THROW(Writer({.protocol = 3}), InvalidArgument);
}

TEST(Typed, StringsOfAnyBytesReturn) {
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string text(random() % 12, '\0');
    constexpr std::string_view kBytes("a\xed\xb2\xb3\xa0\x80\xbf\xc3\xa9\xf0\x9f\xff", 12);
    for (char& c : text) c = kBytes[random() % kBytes.size()];
    ASSERT_EQ(round_trip(text), text);
  }
}

class Numbers : public HandleTable {
 public:
  std::uint64_t add_block(const BlockRef&) override { return 3; }
  std::uint64_t add_descriptor(int fd) override { return static_cast<std::uint64_t>(fd) + 100; }
  BlockRef block(std::uint64_t number) override {
    seen = number;
    return {};
  }
  os::Fd descriptor(std::uint64_t number) override {
    seen = number;
    return {};
  }
  std::uint64_t seen = 0;
};

TEST(Typed, HandlesGoByTheChannelsTable) {
  Numbers table;
  Writer out({.handles = &table});
  out.write_block({});
  out.write_descriptor(7);
  Reader in(out.bytes(), &table);
  EXPECT_FALSE(in.read_block());
  EXPECT_EQ(table.seen, 3u);
  EXPECT_FALSE(in.read_descriptor());
  EXPECT_EQ(table.seen, 107u);
  Writer alone;
  EXPECT_THROW(alone.write_block({}), UsageError);
}

}  // namespace
}  // namespace polyproc
