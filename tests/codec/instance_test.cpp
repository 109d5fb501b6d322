// SPDX-License-Identifier: MIT
// Names of classes and instances of them: made here, read from pickles, compared, hashed, printed, and refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <polyproc/codec/codec.hpp>

#include <string>

namespace polyproc {
namespace {

using namespace std::string_literals;
using ::testing::HasSubstr;

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }
std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
// Of protocol 3, or what is written with another one.
Object read(const std::string& pickle) {
  return decode_any(bytes_of(pickle.starts_with('\x80') ? pickle : "\x80\3" + pickle));
}

TEST(Instance, IsMadeOfANameAndArguments) {
  const Object error = Object::instance(Object::name("builtins", "KeyError"), Object::tuple({"k"}));
  EXPECT_EQ(error.kind(), Kind::instance);
  EXPECT_EQ(error.callable().module(), "builtins");
  EXPECT_EQ(error.callable().qualified_name(), "KeyError");
  EXPECT_EQ(error.arguments(), Object::tuple({"k"}));
  EXPECT_TRUE(error.state().is_none());
  EXPECT_EQ(error.repr(), "<builtins.KeyError object>");
  EXPECT_EQ(error.callable().repr(), "<builtins.KeyError>");
  EXPECT_EQ(read(text_of(to_pickle(error))), error);
  EXPECT_THROW((void)Object::instance(1, Object::tuple()), TypeMismatch);
  EXPECT_THROW((void)Object::instance(Object::name("a", "b"), Object::list()), TypeMismatch);
  EXPECT_THROW((void)error.as_int(), TypeMismatch);
  EXPECT_THROW((void)error.size(), TypeMismatch);
  EXPECT_THROW((void)error.items(), TypeMismatch);
}

TEST(Instance, IsRefusedWherePlainDataIsWanted) {
  const std::string pickle =
      text_of(to_pickle(Object::instance(Object::name("os", "system"), Object::tuple({"true"}))));
  EXPECT_THROW((void)decode_pickle<Object>(bytes_of(pickle)), DecodeError);
  EXPECT_THROW((void)decode_pickle<std::vector<Object>>(bytes_of(pickle)), DecodeError);
  for (const std::string& each : {"cos\nsystem\n."s, "cos\nsystem\n)\x81."s, "cos\nsystem\n)R."s, "]}b."s})
    EXPECT_THROW((void)decode_pickle<Object>(bytes_of(each)), DecodeError) << each;
}

// A name with a line end in it must not become other opcodes.
TEST(Instance, NamesOfAnyTextStayNames) {
  const Object odd = Object::name("a\nb\nR", "x\n.");
  EXPECT_EQ(read(text_of(to_pickle(odd))), odd);
  EXPECT_NE(Object::name("a.b", "c"), Object::name("a", "b.c"));
}

TEST(Instance, NamesThatAreNoTextAreRefused) {
  EXPECT_THROW((void)read("c\xff\nx\n."), DecodeError);
  EXPECT_THROW((void)read("cx\n\xc3\n."), DecodeError);
  const Object bytes = Object::name("\xff", "x");
  EXPECT_EQ(read(text_of(to_pickle(bytes))), bytes);
}

TEST(Instance, KeepsWhatItIsFilledWith) {
  // Stack(1, key=value), state {'a': itself}
  const Object value = read("cm\nC\n)\x81q\0(K\1K\2eK\3a(K\4K\5K\6K\7uK\x08K\x09s}X\1\0\0\0ah\0sb."s);
  EXPECT_EQ(value.state().size(), 1u);
  EXPECT_TRUE(value.state().at("a").same(value));
  const std::string written = text_of(to_pickle(value));
  EXPECT_EQ(text_of(to_pickle(read(written))), written);
  EXPECT_EQ(read(written), value);
}

TEST(Instance, IsAKeyWhateverItsParts) {
  const auto point = [](int x) {
    return Object::instance(Object::name("m", "Point"),
                            Object::tuple({x, Object::list({1}), Object::dict({{1, 2}})}));
  };
  Object table = Object::dict({{point(1), "one"}, {point(2), "two"}, {Object::name("m", "f"), "f"}});
  EXPECT_EQ(table.size(), 3u);
  EXPECT_EQ(table.at(point(2)), Object("two"));
  EXPECT_FALSE(table.contains(point(3)));
  EXPECT_EQ(read(text_of(to_pickle(table))), table);
}

TEST(Instance, RefusesWhatItCannotKeep) {
  const auto why = [](const std::string& pickle) -> std::string {
    try {
      (void)read(pickle);
      return "";
    } catch (const DecodeError& error) {
      return error.reason();
    }
  };
  EXPECT_THAT(why("K\1)R."s), HasSubstr("no class"));
  EXPECT_THAT(why("cm\nC\n]R."s), HasSubstr("arguments"));
  EXPECT_THAT(why("cm\nC\n)))\x92."s), HasSubstr("arguments"));
  EXPECT_THAT(why("cm\nC\n)\x81}b}b."s), HasSubstr("second state"));
  EXPECT_THAT(why("]}b."s), HasSubstr("no instance"));
  EXPECT_THAT(why("cm\nC\n)\x81}bK\1a."s), HasSubstr("state already"));
  EXPECT_THAT(why("cm\nC\n)\x81(K\1u."s), HasSubstr("without a value"));
  EXPECT_THAT(why("cm\nset\nK\1K\2cm\nf\ncm\nC\n)\x81}\x86R0."s), HasSubstr("dropped"));
  EXPECT_THAT(why("\x82\1."s), HasSubstr("no plain data"));
  EXPECT_THAT(why("\x80\2cexceptions\nKeyError\n."s), HasSubstr("Python 2"));
}

TEST(Instance, ThatContainsItselfIsFreed) {  // the leak sanitizer looks
  (void)read("cm\nC\n)\x81q\0}X\1\0\0\0ah\0sb."s);
  (void)read("cm\nC\n)\x81q\0(h\0e]q\1h\0ah\1a0."s);
}

}  // namespace
}  // namespace polyproc
