// SPDX-License-Identifier: MIT
// CPython's frames: lengths, messages in pieces, and what is refused.
#include <gtest/gtest.h>
#include <polyproc/os/error.hpp>

#include <algorithm>
#include <string>
#include <string_view>

#include "net/frame.hpp"

namespace polyproc {
namespace {

using namespace std::string_literals;

std::string header(std::uint64_t length) {
  const FrameHeader header(length);
  return {reinterpret_cast<const char*>(header.bytes().data()), header.bytes().size()};
}

// Gives the parser at most `piece` bytes at a time; the messages that it found.
std::vector<std::string> parse(FrameParser& parser, std::string_view stream, std::size_t piece) {
  std::vector<std::string> messages;
  for (;;) {
    while (const auto message = parser.take())
      messages.emplace_back(reinterpret_cast<const char*>(message->data()), message->size());
    if (stream.empty()) return messages;
    const auto room = parser.room();
    const std::size_t count = std::min({room.size(), piece, stream.size()});
    std::copy_n(std::as_bytes(std::span(stream)).begin(), count, room.begin());
    stream.remove_prefix(count);
    parser.arrived(count);
  }
}

TEST(FrameHeader, IsCpythons) {
  EXPECT_EQ(header(0), "\0\0\0\0"s);
  EXPECT_EQ(header(258), "\0\0\1\2"s);
  EXPECT_EQ(header(0x7fffffff), "\x7f\xff\xff\xff"s);
  EXPECT_EQ(header(0x80000000), "\xff\xff\xff\xff\0\0\0\0\x80\0\0\0"s);
  EXPECT_EQ(header(5'000'000'000), "\xff\xff\xff\xff\0\0\0\1\x2a\5\xf2\0"s);
}

TEST(FrameParser, FindsMessagesWhateverThePieces) {
  const std::string large(100'000, 'l');
  const std::string stream = header(3) + "one" + header(0) + header(large.size()) + large + header(1) + "x";
  for (const std::size_t piece : {1u, 2u, 3u, 5u, 4096u, 1'000'000u}) {
    FrameParser parser;
    EXPECT_EQ(parse(parser, stream, piece), (std::vector<std::string>{"one", "", large, "x"}));
    EXPECT_FALSE(parser.is_inside());
  }
}

TEST(FrameParser, TakesTheLongFormForAnyLength) {
  FrameParser parser;
  EXPECT_EQ(parse(parser, "\xff\xff\xff\xff\0\0\0\0\0\0\0\3abc"s, 7), std::vector<std::string>{"abc"});
}

TEST(FrameParser, KnowsWhetherItIsInsideAMessage) {
  FrameParser parser;
  (void)parse(parser, "\0"s, 1);
  EXPECT_TRUE(parser.is_inside());
  (void)parse(parser, "\0\0\2a"s, 9);
  EXPECT_TRUE(parser.is_inside());
  EXPECT_EQ(parse(parser, "b", 1), std::vector<std::string>{"ab"});
  EXPECT_FALSE(parser.is_inside());
}

TEST(FrameParser, AsksForMemoryAsBytesArrive) {
  FrameParser parser;
  (void)parse(parser, header(std::uint64_t{1} << 62), 12);
  EXPECT_LE(parser.room().size(), 1u << 20);
  (void)parse(parser, std::string(70'000, 'x'), 70'000);
  EXPECT_LE(parser.room().size(), 1u << 20);
}

int refused(FrameParser& parser, const std::string& stream) {
  try {
    (void)parse(parser, stream, 1);
    return 0;
  } catch (const OsError& error) {
    return error.code();
  }
}

TEST(FrameParser, RefusesWhatIsTooLongOrNegative) {
  FrameParser limited(256);
  EXPECT_EQ(parse(limited, header(256) + std::string(256, 'x'), 99).size(), 1u);
  EXPECT_EQ(refused(limited, header(257)), EMSGSIZE);
  FrameParser another(256);
  EXPECT_EQ(refused(another, header(5'000'000'000)), EMSGSIZE);
  FrameParser any;
  EXPECT_EQ(refused(any, "\xff\xff\xff\xfe"s), EPROTO);
  FrameParser http;  // what a browser sends
  EXPECT_EQ(refused(http, "GET / HTTP/1.1\r\n"), 0) << "an announcement of a gibibyte, which does not come";
}

}  // namespace
}  // namespace polyproc
