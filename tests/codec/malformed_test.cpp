// SPDX-License-Identifier: MIT
// Damaged and hostile pickles: each is either a value or a DecodeError with an offset inside the input, in little time
// and memory.
#include <random>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <polyproc/codec/codec.hpp>

namespace polyproc {
namespace {

using namespace std::string_view_literals;
using namespace std::string_literals;

struct Leaf {
  std::string name;
  std::vector<double> numbers;
  std::optional<int> maybe;
};
using Typed = std::map<std::string, std::vector<std::pair<Leaf, std::set<std::vector<int>>>>>;

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

// Either way is right, but for other exceptions, crashes and leaks.
template <class T>
bool try_decode(std::span<const std::byte> input) {
  try {
    (void)decode_pickle<T>(input);
    return true;
  } catch (const DecodeError& error) {
    EXPECT_LE(error.offset(), input.size());
    return false;
  }
}

template <class T = Object>
void expect_refused(std::string_view pickle, std::string_view why) {
  try {
    (void)decode_pickle<T>(bytes_of(pickle));
    ADD_FAILURE() << "decoded";
  } catch (const DecodeError& error) {
    EXPECT_THAT(error.reason(), ::testing::HasSubstr(std::string(why)));
    EXPECT_LE(error.offset(), pickle.size());
  }
}

std::vector<std::vector<std::byte>> samples() {
  const Typed typed{{"k", {{{"n\xff", {1, 2}, 3}, {{1}, {}}}}}, {"", {}}};
  Object all =
      Object::list({1, -70000, Object(), true, 1.5, "text", Object::tuple({1, 2}), std::complex<double>(1, 2),
                    Object::set({1}), Object::frozenset({"a"}), Object(Integer::from_double(1e30)),
                    Object::bytearray(bytes_of("ab")), Object::bytes(bytes_of("cd"))});
  all.append(Object::dict({{"self", all}, {2, all}}));
  const auto text =
      bytes_of("(lp0\nI1\naL12345678901234567890L\naF1.5\naVa\\u1234\np1\na(dp2\nS'x'\ng1\nsa."sv);
  const auto old = bytes_of(
      "\x80\x02]q\0(c__builtin__\nset\nq\1]q\2(K\1K\2e\x85Rq\3c_codecs\nencode\nX\1\0\0\0aX\6\0\0\0latin1\x86Re."sv);
  return {to_pickle(typed),
          to_pickle(all),
          to_pickle(all, {.protocol = 5}),
          {text.begin(), text.end()},
          {old.begin(), old.end()}};
}

TEST(Malformed, SamplesAreSound) {
  for (const auto& sample : samples()) EXPECT_TRUE(try_decode<Object>(sample));
  EXPECT_TRUE(try_decode<Typed>(samples()[0]));
}

TEST(Malformed, EachTruncationIsRefused) {
  for (const auto& sample : samples()) {
    for (std::size_t length = 0; length < sample.size(); ++length) {
      EXPECT_FALSE(try_decode<Object>(std::span(sample).first(length))) << length;
      EXPECT_FALSE(try_decode<Typed>(std::span(sample).first(length))) << length;
    }
  }
}

TEST(Malformed, EachChangedByteIsAValueOrAnError) {
  constexpr int kStep = 29;  // each byte is changed into nine others, which differ from one place to the next
  int first = 0;
  for (auto sample : samples()) {
    for (std::byte& byte : sample) {
      const std::byte before = byte;
      first = (first + 1) % kStep;
      for (int value = first; value < 256; value += kStep) {
        byte = static_cast<std::byte>(value);
        (void)try_decode<Object>(sample);
        if (value % 4 == 0) (void)try_decode<Typed>(sample);
      }
      byte = before;
    }
  }
}

TEST(Malformed, RandomOpcodesAreAValueOrAnError) {
  constexpr std::string_view kCodes = "(.012KN]})atesudl\x85\x86\x87\x88\x8f\x90\x91\x94hq\0\1\2R"sv;
  std::mt19937 random(3);
  std::size_t sound = 0;
  for (int i = 0; i < 50'000; ++i) {
    std::string text(random() % 24, '\0');
    for (char& c : text) c = kCodes[random() % kCodes.size()];
    text += '.';
    sound += try_decode<Object>(bytes_of(text)) ? 1 : 0;
  }
  EXPECT_GT(sound, 100u);
}

TEST(Malformed, LengthsBeyondTheInputAreRefusedBeforeAnythingIsAllocated) {
  for (const char op : "X\x8d\x42\x8e\x96\x8b\x54"sv)
    expect_refused(std::string("\x80\x04") + op + "\xff\xff\xff\x7f\0\0\0\0."s, "announced");
  expect_refused("\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7fN."sv, "frame");
  expect_refused("\x80\x04Nr\xff\xff\xff\xff."sv, "memo entry");
  expect_refused("Np99999999999\n."sv, "memo entry");
}

TEST(Malformed, NothingIsCalledAndNoClassIsLoaded) {
  expect_refused("cos\nsystem\n(S'true'\ntR."sv, "'os'.'system'");
  expect_refused("\x80\x04\x8c\x02os\x8c\x06system\x93."sv, "no plain data");
  expect_refused("cbuiltins\neval\n."sv, "no plain data");
  expect_refused("cbuiltins\nset\n."sv, "a class stands where a value is expected");
  expect_refused("c_codecs\nencode\n(VQ\nVutf-8\ntR."sv, "latin1");
  expect_refused("(ios\nsystem\n."sv, "no plain data");
  expect_refused("\x80\x02K\1\x82\5."sv, "no plain data");
}

TEST(Malformed, RulesOfTheFormatAreKept) {
  expect_refused(""sv, "announced");
  expect_refused("."sv, "0 values");
  expect_refused("NN."sv, "2 values");
  expect_refused("N.N"sv, "follow the end");
  expect_refused("\x80\x06N."sv, "protocol 6");
  expect_refused("(N."sv, "mark");
  expect_refused("}]K\1s."sv, "cannot be hashed");
  expect_refused("}(K\1u."sv, "key without a value");
  expect_refused("N(K\1e."sv, "elements for a list");
  expect_refused("]((K\1ee."sv, "elements for a list");
  expect_refused("h\0."sv, "memo entry");
  expect_refused("\x8c\2\xff\xff."sv, "UTF-8");
  expect_refused("L1x\n."sv, "number");
  expect_refused("I" + std::string(5000, '1') + "\n.", "digits");
}

TEST(Malformed, DeepNestsOfCpythonAreRead) {
  constexpr std::size_t kDepth = 200'000;
  std::string text(kDepth, ']');
  text += std::string(kDepth - 1, 'a') + '.';
  const Object value = decode_pickle<Object>(bytes_of(text));
  EXPECT_EQ(value.size(), 1u);
  EXPECT_EQ(decode_pickle<Object>(to_pickle(value)), value);
  EXPECT_EQ(decode_pickle<std::vector<Object>>(bytes_of(text)).size(), 1u);
}

TEST(Malformed, CyclesThatAreDroppedOnTheWayAreFreed) {
  for (const auto text :
       {"]2a0N."sv, "]q\0h\0a0]q\0."sv, "]q\0h\0aX\xff"sv, "}q\0K\1h\0sK\1Ns."sv, "(]2alq\1h\1h\1a1N."sv})
    (void)try_decode<Object>(bytes_of(text));
}

TEST(Malformed, RepetitionDoesNotMultiplyMemory) {
  std::string text = "\x80\x02]q\0("s;
  for (int i = 0; i < 1000; ++i) text += "K\1";
  text += "e0";
  text += '(';
  for (int i = 0; i < 2000; ++i) text += "cbuiltins\nset\nh\0\x85R"sv;
  text += "l.";
  EXPECT_TRUE(try_decode<Object>(bytes_of(text)));
  std::string more = "\x80\x02X\0\1\0\0"s + std::string(256, 'x') + "q\0cbuiltins\nbytearray\nq\1("s;
  for (int i = 0; i < 5000; ++i) more += "h\1h\0X\6\0\0\0latin1\x86R"sv;
  (void)try_decode<Object>(bytes_of(more + "l."));
}

// As C++ values they would be without end, or far larger than what came.
TEST(Malformed, WhatContainsOrRepeatsItselfIsNoValueOfACppType) {
  const std::string itself = "]q\0(h\0e."s;
  EXPECT_EQ(decode_pickle<Object>(bytes_of(itself)).size(), 1u);
  expect_refused<std::vector<Object>>(itself, "contains itself");
  std::string doubled = "K\1"s;
  for (int i = 0; i < 60; ++i) doubled += "2\x86"s;  // DUP TUPLE2
  doubled = "](" + doubled + "e.";
  EXPECT_EQ(decode_pickle<Object>(bytes_of(doubled)).size(), 1u);
  expect_refused<std::vector<Object>>(doubled, "repeated so often");
}

}  // namespace
}  // namespace polyproc
