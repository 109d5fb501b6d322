// SPDX-License-Identifier: MIT
// What our own ends say to each other once both have offered it in the challenges (docs/protocol.md): many calls at a time on one
// connection. Numbers are little-endian.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

namespace polyproc::inline v0::native {

// Behind the bytes of a challenge.
inline constexpr std::string_view kOffer = "+polyproc/1";

enum class Ask : std::uint8_t {
  call = 1,      // RequestHead, method, pickle of the arguments
  call_by_name,  // the same, pickle of (arguments, keywords)
  control,       // the same, of a function of the server: the object is 0
  increase,      // RequestHead: one more reference; no answer
  decrease,      // one less; no answer
  seen,  // the answer of this number was read, and its proxies hold references of their own; no answer
  memory,  // the first request, where the first answer came with memory: the object is 1 when that is used from now on
};
enum class Tell : std::uint8_t {
  value = 1,  // AnswerHead, pickle
  proxies,    // the same; the server keeps what it names until it hears `seen`
  shared,  // pickle of (number, typeid, exposed methods): the result is shared, with one reference for the client
  exception,  // pickle of the exception
  refusal,    // pickle of a text: the request could not be carried out at all
  memory,     // the first message, when memory comes with it
};

struct RequestHead {
  Ask ask;
  std::uint8_t method_length;
  std::uint32_t number;  // of the call; its answer has it too
  std::uint32_t thread;  // of the client: locks are held by threads
  std::uint64_t object;
};
struct AnswerHead {
  Tell tell;
  std::uint32_t number;
};

inline constexpr std::size_t kRequestBytes = 18;
inline constexpr std::size_t kAnswerBytes = 5;

namespace detail {

template <class T>
void put(std::byte*& at, T value) noexcept {
  for (std::size_t i = 0; i < sizeof value; ++i, ++at)
    *at = static_cast<std::byte>(static_cast<std::uint64_t>(value) >> 8 * i);
}
template <class T>
void take(const std::byte*& at, T& value) noexcept {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < sizeof value; ++i, ++at) bits |= std::to_integer<std::uint64_t>(*at) << 8 * i;
  value = static_cast<T>(bits);
}

}  // namespace detail

inline void write_head(std::span<std::byte, kRequestBytes> bytes, const RequestHead& head) noexcept {
  std::byte* at = bytes.data();
  detail::put(at, head.ask), detail::put(at, head.method_length), detail::put(at, head.number);
  detail::put(at, head.thread), detail::put(at, head.object);
}
inline void write_head(std::span<std::byte, kAnswerBytes> bytes, const AnswerHead& head) noexcept {
  std::byte* at = bytes.data();
  detail::put(at, head.tell), detail::put(at, head.number);
}
// Nothing when there is less.
[[nodiscard]] inline std::optional<RequestHead> read_request(std::span<const std::byte> bytes) noexcept {
  if (bytes.size() < kRequestBytes) return std::nullopt;
  RequestHead head;
  const std::byte* at = bytes.data();
  detail::take(at, head.ask), detail::take(at, head.method_length), detail::take(at, head.number);
  detail::take(at, head.thread), detail::take(at, head.object);
  return head;
}
[[nodiscard]] inline std::optional<AnswerHead> read_answer(std::span<const std::byte> bytes) noexcept {
  if (bytes.size() < kAnswerBytes) return std::nullopt;
  AnswerHead head;
  const std::byte* at = bytes.data();
  detail::take(at, head.tell), detail::take(at, head.number);
  return head;
}

}  // namespace polyproc::inline v0::native
