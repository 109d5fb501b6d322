// SPDX-License-Identifier: MIT
// The listener challenges first, then the roles swap. Two forms of each message: "{digest}" and then the bytes, or, up to
// CPython 3.11, 20 bytes to sign or an answer of 16, with MD5. They are told apart by length, as CPython does.
#include "net/handshake.hpp"

#include <algorithm>
#include <iterator>
#include <optional>

#include <fmt/format.h>

#include "net/digest.hpp"
#include "net/random.hpp"

namespace polyproc::inline v0 {
namespace {

constexpr std::string_view kChallenge = "#CHALLENGE#";
constexpr std::string_view kWelcome = "#WELCOME#";
constexpr std::string_view kFailure = "#FAILURE#";
constexpr std::string_view kOurDigest = "sha256";
constexpr std::size_t kNonceBytes = 40;
constexpr std::size_t kOldNonceBytes = 20;

std::string_view text_of(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Handshake::Frame frame_of(std::string_view text, std::span<const std::byte> bytes = {}) {
  const auto head = std::as_bytes(std::span(text));
  Handshake::Frame frame(head.begin(), head.end());
  frame.insert(frame.end(), bytes.begin(), bytes.end());
  return frame;
}

// "{sha256}" in front of a message; none in an old one. Nothing when it is neither.
std::optional<std::string_view> digest_of(std::string_view message) noexcept {
  if (message.size() == kOldNonceBytes || message.size() == kMd5Bytes) return std::string_view();
  const std::size_t end = message.find('}');
  if (!message.starts_with('{') || end == std::string_view::npos) return std::nullopt;
  const std::string_view name = message.substr(1, end - 1);
  return is_digest(name) ? std::optional(name) : std::nullopt;
}

}  // namespace

Handshake::Handshake(Side side, const AuthKey& key, bool allow_md5, std::string_view offer)
    : side_(side),
      key_(key),
      allow_md5_(allow_md5),
      offer_(offer),
      next_(side == Side::listener ? Step::answer : Step::challenge) {}

std::vector<Handshake::Frame> Handshake::begin() {
  if (side_ == Side::client) return {};
  return {challenge()};
}

Handshake::Frame Handshake::challenge() {
  asked_ = frame_of(fmt::format("{{{}}}", kOurDigest), random_bytes(kNonceBytes));
  // A client offers what the listener does: to CPython it looks as CPython does.
  if (side_ == Side::listener || agreed_)
    std::ranges::copy(std::as_bytes(std::span(offer_)), std::back_inserter(asked_));
  return frame_of(kChallenge, asked_);
}

void Handshake::refuse_md5(std::string_view whose) const {
  if (!allow_md5_)
    throw AuthenticationError(fmt::format(
        "authentication: the other end {} with MD5, as CPython before 3.12 does; use a later one, or allow "
        "MD5 here",
        whose));
}

Handshake::Frame Handshake::answer(std::span<const std::byte> challenge) {
  if (!text_of(challenge).starts_with(kChallenge))
    throw AuthenticationError(
        "authentication: a challenge is expected, and something else came; is it the right address?");
  const auto asked = challenge.subspan(kChallenge.size());
  const auto digest = digest_of(text_of(asked));
  if (asked.size() < kOldNonceBytes || !digest)
    throw AuthenticationError(
        "authentication: the challenge is too short, or wants a digest that is not known here");
  if (digest->empty() || *digest == kMd5) refuse_md5("challenges");
  agreed_ = !offer_.empty() && text_of(asked).ends_with(offer_);
  if (digest->empty()) return keyed_digest(kMd5, key_, asked);
  return frame_of(fmt::format("{{{}}}", *digest), keyed_digest(*digest, key_, asked));
}

void Handshake::check_answer(std::span<const std::byte> answer) const {
  const auto digest = digest_of(text_of(answer));
  if (!digest) throw AuthenticationError("authentication: the other end's answer is none");
  const std::string_view name = digest->empty() ? kMd5 : *digest;
  if (name == kMd5) refuse_md5("answers");
  const auto given = digest->empty() ? answer : answer.subspan(digest->size() + 2);
  if (!equal_in_secret(given, keyed_digest(name, key_, asked_)))
    throw AuthenticationError("authentication: the other end has another key");
}

std::vector<Handshake::Frame> Handshake::take(std::span<const std::byte> frame) {
  switch (next_) {
    case Step::challenge:
      next_ = Step::verdict;
      return {answer(frame)};
    case Step::verdict:
      if (text_of(frame) != kWelcome)
        throw AuthenticationError("authentication: the other end refuses this key");
      next_ = side_ == Side::client ? Step::answer : Step::done;
      if (side_ == Side::client) return {challenge()};
      return {};
    case Step::answer:
      farewell_ = frame_of(kFailure);
      check_answer(frame);
      farewell_.clear();
      next_ = side_ == Side::client ? Step::done : Step::challenge;
      return {frame_of(kWelcome)};
    case Step::done:
      break;
  }
  throw AuthenticationError("authentication: it is over, and more of it came");
}

}  // namespace polyproc::inline v0
