// SPDX-License-Identifier: MIT
// Object behaves as Python's values do, and leaves no memory behind (the address sanitizer's leak check watches).
#include <polyproc/codec/object.hpp>

#include <cmath>
#include <limits>
#include <sstream>
#include <unordered_map>

#include <gtest/gtest.h>
#include <polyproc/os/error.hpp>

namespace polyproc {
namespace {

using List = std::vector<Object>;

TEST(Object, IsEqualAcrossNumericTypesAsInPython) {
  EXPECT_EQ(Object(1), Object(true));
  EXPECT_EQ(Object(1), Object(1.0));
  EXPECT_EQ(Object(1.0), Object(std::complex<double>(1, 0)));
  EXPECT_EQ(Object(0.0), Object(-0.0));
  EXPECT_NE(Object(1), Object(std::complex<double>(1, 1)));
  EXPECT_NE(Object(1), Object("1"));
  EXPECT_NE(Object(), Object(0));
  EXPECT_NE(Object((std::int64_t{1} << 53) + 1), Object(0x1p53));
  EXPECT_EQ(Object(std::numeric_limits<std::uint64_t>::max()),
            Object(*Integer::from_decimal("18446744073709551615")));
  EXPECT_EQ(Object(*Integer::from_decimal("340282366920938463463374607431768211456")), Object(0x1p128));
  EXPECT_NE(Object(*Integer::from_decimal("340282366920938463463374607431768211457")), Object(0x1p128));
  EXPECT_EQ(Object::list({1, 2}), Object::list({1.0, true + 1}));
  EXPECT_NE(Object::list({1}), Object::tuple({1}));
  EXPECT_EQ(Object::set({1, 2}), Object::frozenset({2, 1}));
  EXPECT_EQ(Object::bytes({}), Object::bytearray({}));
  EXPECT_EQ(Object::dict({{1, 2}, {3, 4}}), Object::dict({{3, 4}, {1.0, 2}}));
  EXPECT_NE(Object::dict({{1, 2}}), Object::dict({{1, 3}}));
}

TEST(Object, HashesEqualValuesAlike) {
  for (const double value : {0.0, 1.0, -7.0, 0x1p53, 0x1p62, -0x1p63, 0x1p63, 0x1p70, -0x1p200}) {
    const Object whole(Integer::from_double(value));
    EXPECT_EQ(whole, Object(value));
    EXPECT_EQ(whole.hash(), Object(value).hash()) << value;
    EXPECT_EQ(whole.hash(), Object(std::complex<double>(value, 0)).hash());
  }
  EXPECT_EQ(Object(0.0).hash(), Object(-0.0).hash());
  EXPECT_EQ(Object::tuple({1, "a"}).hash(), Object::tuple({1.0, "a"}).hash());
  EXPECT_EQ(Object::frozenset({1, 2}).hash(), Object::frozenset({2, 1}).hash());
  EXPECT_THROW((void)Object::list().hash(), TypeMismatch);
  EXPECT_THROW((void)Object::tuple({Object::set()}).hash(), TypeMismatch);
}

TEST(Object, OfNotANumberIsFoundAsItselfAlone) {
  const Object nan(std::nan(""));
  const Object other(std::nan(""));
  EXPECT_NE(nan, nan);
  EXPECT_TRUE(nan.same(Object(nan)));
  EXPECT_FALSE(nan.same(other));
  EXPECT_EQ(Object::list({nan}), Object::list({nan}));
  EXPECT_NE(Object::list({nan}), Object::list({other}));
  Object dict = Object::dict({{nan, 1}, {other, 2}});
  EXPECT_EQ(dict.size(), 2u);
  EXPECT_EQ(dict.at(nan), Object(1));
  EXPECT_FALSE(dict.contains(Object(std::nan(""))));
}

TEST(Object, DictKeepsTheOrderOfInsertionAndTheFirstOfEqualKeys) {
  Object dict = Object::dict();
  for (int i = 0; i < 1000; ++i) dict.set(i, i * i);
  dict.set(1.0, "one");
  EXPECT_EQ(dict.size(), 1000u);
  EXPECT_EQ(dict.at(true), Object("one"));
  for (int i = 0; i < 1000; i += 2) EXPECT_TRUE(dict.erase(i));
  EXPECT_FALSE(dict.erase(0));
  dict.set(0, "again");
  int expected = 1;
  std::size_t count = 0;
  for (const auto& [key, value] : dict.entries()) {
    EXPECT_EQ(key.as_int(), ++count <= 500 ? expected : 0);
    expected += 2;
  }
  EXPECT_EQ(count, 501u);
  EXPECT_EQ(Object::dict({{1, "a"}, {true, "b"}}).repr(), "{1: 'b'}");
  EXPECT_THROW((void)dict.at(Object("none")), std::out_of_range);
  EXPECT_THROW(dict.set(Object::list(), 1), TypeMismatch);
}

TEST(Object, PrintsAsPythonDoes) {
  EXPECT_EQ(Object::list({Object(), true, 1.0, 1e22, 1e-5, -0.0, 123456789.125}).repr(),
            "[None, True, 1.0, 1e+22, 1e-05, -0.0, 123456789.125]");
  EXPECT_EQ(Object::tuple({1}).repr(), "(1,)");
  EXPECT_EQ(Object::tuple().repr(), "()");
  EXPECT_EQ(Object::set().repr(), "set()");
  EXPECT_EQ(Object::frozenset({1}).repr(), "frozenset({1})");
  EXPECT_EQ(Object(std::complex<double>(0, -0.0)).repr(), "-0j");
  EXPECT_EQ(Object(std::complex<double>(-0.0, 2)).repr(), "(-0+2j)");
  EXPECT_EQ(Object("it's").repr(), "\"it's\"");
  EXPECT_EQ(Object("a\xff\n").repr(), "'a\\udcff\\n'");
  EXPECT_EQ(Object(INFINITY).repr(), "inf");
  std::ostringstream out;
  out << Object::dict({{"a", Object::list({1})}});
  EXPECT_EQ(out.str(), "{'a': [1]}");
  EXPECT_EQ(fmt::format("{}", Object(7)), "7");
}

TEST(Object, StringsReturnTheirBytesWhateverTheyAre) {
  for (const std::string text : {"", "plain", "n\xc3\xa4", "\xff\xfe", "\xed\xb2\x80", "\xed\xa0\x80", "\xc3",
                                 "\xf0\x9f\x98", "\xed\xb3\xbf\x80\xc3\xa9", "\xf4\x90\x80\x80", "\xc0\x80"})
    EXPECT_EQ(Object(text).as_string(), text);
  EXPECT_EQ(Object("\xc3\xa4x").size(), 2u);
  EXPECT_EQ(Object("\xff").as_utf8(), "\xed\xb3\xbf");
}

TEST(Object, AccessorsNameBothTypes) {
  try {
    (void)Object("a").as_int();
    FAIL();
  } catch (const TypeMismatch& error) {
    EXPECT_STREQ(error.what(), "object: it is a str, and an int was asked for");
  }
  EXPECT_THROW((void)Object(std::numeric_limits<std::uint64_t>::max()).as_int(), TypeMismatch);
  EXPECT_THROW((void)Object(1).size(), TypeMismatch);
  EXPECT_THROW(Object::tuple().append(1), TypeMismatch);
  EXPECT_THROW(Object::frozenset().add(1), TypeMismatch);
  EXPECT_THROW((void)Object::list().at(0), std::out_of_range);
}

TEST(Object, CopiesNameTheSameValue) {
  Object list = Object::list();
  Object copy = list;
  copy.append(1);
  EXPECT_EQ(list.size(), 1u);
  EXPECT_TRUE(list.same(copy));
}

TEST(Object, DeepNestsEndWithoutRecursion) {
  Object list = Object::list();
  Object tuple = Object::tuple();
  for (int i = 0; i < 300'000; ++i) {
    list = Object::list({std::move(list)});
    tuple = Object::tuple({std::move(tuple)});
  }
  EXPECT_EQ(list, list);
  EXPECT_EQ(tuple.hash(), Object(tuple).hash());
  EXPECT_EQ(list.repr().size(), 600'002u);
  EXPECT_NE(list, tuple);
}

TEST(Object, EqualityOfSharedPartsTakesNoLongerForIt) {
  const auto doubled = [] {
    Object value = Object::tuple({1});
    Object list = Object::list();
    for (int i = 0; i < 200; ++i) {
      value = Object::tuple({value, value});
      list = Object::list({list, list});
    }
    return Object::tuple({value, list});
  };
  EXPECT_EQ(doubled(), doubled());
  Object left = Object::frozenset({0});
  Object right = Object::frozenset({0});
  for (int i = 0; i < 100; ++i) {
    left = Object::frozenset({Object::tuple({left, 1}), Object::tuple({left, 2})});
    right = Object::frozenset({Object::tuple({right, 1}), Object::tuple({right, 2})});
  }
  EXPECT_EQ(left, right);
}

TEST(Object, FrozensetsWithinEachOtherEndInAnErrorNotInACrash) {
  const auto nested = [] {
    Object value = Object::frozenset();
    for (int i = 0; i < 100'000; ++i) value = Object::frozenset({value});
    return value;
  };
  EXPECT_THROW((void)(nested() == nested()), TypeMismatch);
}

// What is left is found by the leak check at the end of the program.
TEST(Object, ValuesThatContainThemselvesAreFreed) {
  Object loop = Object::list();
  loop.append(loop);
  EXPECT_EQ(loop.repr(), "[[...]]");
  EXPECT_EQ(loop, loop);
  Object a = Object::list();
  Object b = Object::dict();
  a.append(b);
  b.set("a", Object::tuple({a, 1}));
  EXPECT_EQ(b.repr(), "{'a': ([{...}], 1)}");
  Object kept = a;
  a = Object();
  b = Object();
  EXPECT_EQ(kept.at(0).at("a").at(0).size(), 1u);
  for (int i = 0; i < 100; ++i) {  // rings that hang on each other
    Object ring = Object::list();
    Object next = Object::list({ring});
    ring.append(next);
    next.append(kept);
    kept.append(ring);
  }
  Object child = kept.at(5);
  kept.clear();
  EXPECT_EQ(child.size(), 1u);
}

TEST(Object, AndThoseThatDependOnThemToo) {
  Object tail = Object::list();
  for (int i = 0; i < 1000; ++i) {
    Object ring = Object::dict();
    ring.set("self", ring);
    ring.set("tail", tail);
    tail = Object::list({ring});
  }
  EXPECT_EQ(tail.size(), 1u);
}

TEST(Integer, ConvertsBothWays) {
  for (const char* text :
       {"0", "1", "-1", "127", "128", "-128", "-129", "255", "32768", "9223372036854775807",
        "-9223372036854775808", "9223372036854775808", "18446744073709551616", "-18446744073709551616",
        "123456789012345678901234567890", "-1000000000000000000000000000000000000000"}) {
    const auto value = Integer::from_decimal(text);
    ASSERT_TRUE(value);
    EXPECT_EQ(value->to_string(), text);
    EXPECT_EQ(Integer::from_bytes(value->to_bytes()), *value) << text;
  }
  EXPECT_EQ(Integer(-128).to_bytes().size(), 1u);
  EXPECT_EQ(Integer(128).to_bytes().size(), 2u);
  EXPECT_FALSE(Integer::from_decimal("1x") || Integer::from_decimal("") || Integer::from_decimal("-"));
  EXPECT_LT(*Integer::from_decimal("-99999999999999999999"), Integer(3));
  EXPECT_GT(*Integer::from_decimal("99999999999999999999"), *Integer::from_decimal("99999999999999999998"));
  EXPECT_EQ(Integer(std::numeric_limits<std::int64_t>::min()).to_int64(),
            std::numeric_limits<std::int64_t>::min());
  EXPECT_FALSE(Integer(std::numeric_limits<std::uint64_t>::max()).to_int64());
  EXPECT_EQ(Integer::from_decimal("9007199254740993")->to_double(), 9007199254740992.0);  // to even
  EXPECT_EQ(Integer::from_decimal("36893488147419107329")->to_double(),
            0x1p65 + 8192.0);  // one above the middle
  EXPECT_EQ(Integer::from_decimal("1" + std::string(400, '0'))->to_double(), INFINITY);
}

TEST(Object, PopItemTakesWhatWasInsertedLast) {
  Object dict = Object::dict({{"a", 1}, {"b", 2}, {"c", 3}});
  EXPECT_EQ(dict.pop_item(), std::pair(Object("c"), Object(3)));
  dict.set("d", 4);
  dict.erase("d");
  EXPECT_EQ(dict.pop_item(), std::pair(Object("b"), Object(2)));
  dict.set("b", 5);
  EXPECT_EQ(dict, Object::dict({{"a", 1}, {"b", 5}}));
  for (int i = 0; i < 1000; ++i) dict.set(i, i);
  for (int i = 999; i >= 0; --i) {
    ASSERT_EQ(dict.pop_item(), std::pair(Object(i), Object(i)));
    ASSERT_FALSE(dict.contains(i));
  }
  EXPECT_EQ(dict.size(), 2u);
  Object set = Object::set({1, 2});
  EXPECT_EQ(set.pop_item()->first, Object(2));
  EXPECT_EQ(set.pop_item()->first, Object(1));
  EXPECT_EQ(set.pop_item(), std::nullopt);
  EXPECT_THROW((void)Object::list().pop_item(), TypeMismatch);
}

}  // namespace
}  // namespace polyproc
