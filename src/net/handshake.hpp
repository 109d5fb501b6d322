// SPDX-License-Identifier: MIT
// The mutual challenge by which both ends of a connection show that they have the same key (docs/protocol.md): CPython's, as
// 3.12 and later do it. It does no input or output of its own, so that a blocking listener and an event loop share it.
//
//     Handshake handshake(Handshake::Side::listener, key, false);
//     send each of handshake.begin();
//     while (!handshake.done()) { receive a frame; send each of handshake.take(frame); }
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <polyproc/net/authkey.hpp>
#include <polyproc/os/error.hpp>

namespace polyproc::inline v0 {

class Handshake {
 public:
  using Frame = std::vector<std::byte>;
  enum class Side : std::uint8_t { listener, client };
  static constexpr std::size_t kLongestFrame = 256;

  // `allow_md5`: the other end may be a CPython before 3.12, which knows nothing better. `offer`: what this end speaks beside
  // CPython's protocol; it stands behind the bytes of the challenge, which the other end signs whatever they are.
  Handshake(Side side, const AuthKey& key, bool allow_md5, std::string_view offer = {});

  // What is sent before anything is received.
  [[nodiscard]] std::vector<Frame> begin();
  // What is sent upon a frame that was received. Throws AuthenticationError: the connection is closed after farewell() was
  // sent, where there is one.
  [[nodiscard]] std::vector<Frame> take(std::span<const std::byte> frame);
  [[nodiscard]] const Frame& farewell() const noexcept { return farewell_; }
  [[nodiscard]] bool done() const noexcept { return next_ == Step::done; }
  // Whether the other end offers the same as this one.
  [[nodiscard]] bool agreed() const noexcept { return agreed_; }

 private:
  // What is expected from the other end.
  enum class Step : std::uint8_t { challenge, answer, verdict, done };

  [[nodiscard]] Frame challenge();
  [[nodiscard]] Frame answer(std::span<const std::byte> challenge);
  void check_answer(std::span<const std::byte> answer) const;
  void refuse_md5(std::string_view whose) const;

  Side side_;
  AuthKey key_;
  bool allow_md5_;
  std::string offer_;
  bool agreed_ = false;
  Step next_;
  Frame asked_;  // what the other end must sign
  Frame farewell_;
};

}  // namespace polyproc::inline v0
