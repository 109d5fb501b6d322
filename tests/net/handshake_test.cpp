// SPDX-License-Identifier: MIT
// The mutual challenge, frame by frame: with itself, with a CPython before 3.12 as its protocol says, and with liars.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "net/digest.hpp"
#include "net/handshake.hpp"

namespace polyproc {
namespace {

using ::testing::StartsWith;
using Frame = Handshake::Frame;
using Side = Handshake::Side;

const AuthKey kKey("secret");

std::string text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
Frame frame(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

// Lets two ends talk until both are done, or one throws.
void talk(Handshake& listener, Handshake& client) {
  std::vector<Frame> to_client = listener.begin();
  std::vector<Frame> to_listener = client.begin();
  while (!to_client.empty() || !to_listener.empty()) {
    std::vector<Frame> upon_it;
    for (const Frame& each : to_client)
      for (Frame& answer : client.take(each)) upon_it.push_back(std::move(answer));
    to_client.clear();
    to_listener.insert(to_listener.end(), upon_it.begin(), upon_it.end());
    for (const Frame& each : to_listener)
      for (Frame& answer : listener.take(each)) to_client.push_back(std::move(answer));
    to_listener.clear();
  }
}

TEST(Handshake, TwoEndsWithOneKeyAgree) {
  Handshake listener(Side::listener, kKey, false);
  Handshake client(Side::client, kKey, false);
  talk(listener, client);
  EXPECT_TRUE(listener.done());
  EXPECT_TRUE(client.done());
}

TEST(Handshake, AnotherKeyIsRefusedAndToldSo) {
  Handshake listener(Side::listener, kKey, false);
  Handshake client(Side::client, AuthKey("other"), false);
  EXPECT_THROW(talk(listener, client), AuthenticationError);
  EXPECT_FALSE(listener.done());
  EXPECT_EQ(text(listener.farewell()), "#FAILURE#");
  EXPECT_THROW((void)client.take(listener.farewell()), AuthenticationError);
}

TEST(Handshake, ChallengesAreOfPythons312AndNeverTheSame) {
  Handshake one(Side::listener, kKey, false);
  Handshake two(Side::listener, kKey, false);
  const auto first = one.begin();
  ASSERT_EQ(first.size(), 1u);
  EXPECT_THAT(text(first[0]), StartsWith("#CHALLENGE#{sha256}"));
  EXPECT_EQ(first[0].size(), 11u + 8 + 40);
  EXPECT_NE(first, two.begin());
}

TEST(Handshake, EachDigestOfPythonsIsAnswered) {
  for (const char* name : {"sha256", "sha384", "sha3_256", "sha3_384"}) {
    Handshake client(Side::client, kKey, false);
    const std::string asked = "{" + std::string(name) + "}" + std::string(40, 'n');
    const auto answers = client.take(frame("#CHALLENGE#" + asked));
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(text(answers[0]), "{" + std::string(name) + "}" + text(keyed_digest(name, kKey, frame(asked))));
  }
}

// HMAC-MD5 of RFC 2202, case 2, and HMAC-SHA-256 of RFC 4231, case 2.
TEST(KeyedDigest, IsTheOneOfTheStandards) {
  const AuthKey key("Jefe");
  const auto hex = [](std::span<const std::byte> bytes) {
    std::string all;
    for (const std::byte each : bytes) all += fmt::format("{:02x}", std::to_integer<unsigned>(each));
    return all;
  };
  const Frame message = frame("what do ya want for nothing?");
  EXPECT_EQ(hex(keyed_digest("md5", key, message)), "750c783e6ab0b503eaa86e310a5db738");
  EXPECT_EQ(hex(keyed_digest("sha256", key, message)),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

// An old client signs the whole challenge with MD5, without saying so, and challenges with 20 bytes.
TEST(Handshake, AnOldClientIsLetInWhereMd5IsAllowed) {
  Handshake listener(Side::listener, kKey, true);
  const std::string challenge = text(listener.begin().at(0)).substr(11);
  const auto welcome = listener.take(keyed_digest("md5", kKey, frame(challenge)));
  EXPECT_EQ(text(welcome.at(0)), "#WELCOME#");
  const std::string theirs(20, 'r');
  const auto answer = listener.take(frame("#CHALLENGE#" + theirs));
  EXPECT_EQ(answer.at(0), keyed_digest("md5", kKey, frame(theirs)));
  EXPECT_TRUE(listener.take(frame("#WELCOME#")).empty());
  EXPECT_TRUE(listener.done());
}

TEST(Handshake, Md5IsRefusedInEachFormWhereItIsNotAllowed) {
  Handshake listener(Side::listener, kKey, false);
  const std::string challenge = text(listener.begin().at(0)).substr(11);
  EXPECT_THROW((void)listener.take(keyed_digest("md5", kKey, frame(challenge))), AuthenticationError);
  Handshake prefixed(Side::listener, kKey, false);
  const std::string asked = text(prefixed.begin().at(0)).substr(11);
  EXPECT_THROW((void)prefixed.take(frame("{md5}" + text(keyed_digest("md5", kKey, frame(asked))))),
               AuthenticationError);
  Handshake client(Side::client, kKey, false);
  EXPECT_THROW((void)client.take(frame("#CHALLENGE#" + std::string(20, 'r'))), AuthenticationError);
  Handshake another(Side::client, kKey, false);
  EXPECT_THROW((void)another.take(frame("#CHALLENGE#{md5}" + std::string(40, 'r'))), AuthenticationError);
}

TEST(Handshake, WhatIsNoPartOfItIsRefused) {
  for (const std::string& nonsense :
       std::vector<std::string>{"", "hello", "#CHALLENGE#", "#CHALLENGE#short",
                                "#CHALLENGE#{sha1}" + std::string(40, 'n'), "#WELCOME#"}) {
    Handshake client(Side::client, kKey, true);
    EXPECT_THROW((void)client.take(frame(nonsense)), AuthenticationError) << nonsense;
  }
  for (const std::string& nonsense : std::vector<std::string>{"", "x", std::string(16, 'x'), "{sha256}",
                                                              "{sha256}" + std::string(32, 'x'), "{sha1}x"}) {
    Handshake listener(Side::listener, kKey, true);
    (void)listener.begin();
    EXPECT_THROW((void)listener.take(frame(nonsense)), AuthenticationError) << nonsense;
    EXPECT_EQ(text(listener.farewell()), "#FAILURE#");
  }
}

// Who does not have the key sends the listener's own challenge back to it, or its own answer.
TEST(Handshake, AnEchoIsNoAnswer) {
  Handshake listener(Side::listener, kKey, true);
  const auto challenge = listener.begin();
  EXPECT_THROW((void)listener.take(challenge.at(0)), AuthenticationError);
}

}  // namespace
}  // namespace polyproc
