// SPDX-License-Identifier: MIT
// SocketConnection: values of one type over TCP or a Unix socket, as pickles that CPython reads and writes.
#pragma once

#include <chrono>
#include <optional>
#include <utility>

#include <polyproc/codec/codec.hpp>
#include <polyproc/net/byte_socket_connection.hpp>

namespace polyproc::inline v0 {

template <class T = Object>
class SocketConnection : public ByteSocketConnection {
 public:
  using value_type = T;

  explicit SocketConnection(ByteSocketConnection bytes) noexcept : ByteSocketConnection(std::move(bytes)) {}
  using ByteSocketConnection::ByteSocketConnection;

  // What send_bytes throws; UsageError for a value with a shared object or descriptor in it.
  void send(const T& value) const { send_bytes(to_pickle(value)); }

  // ---- receiving; nothing at the deadline. What recv_bytes throws, and DecodeError for a message that holds no T: it has been
  // received, the next call receives the next one. Nothing is executed, whoever sent it.
  [[nodiscard]] T recv() const { return *recv_value(Deadline::never()); }
  [[nodiscard]] std::optional<T> try_recv() const { return recv_value(Deadline::now()); }
  template <class Rep, class Period>
  [[nodiscard]] std::optional<T> recv_for(const std::chrono::duration<Rep, Period>& timeout) const {
    return recv_value(Deadline::after(timeout));
  }
  template <class Clock, class Duration>
  [[nodiscard]] std::optional<T> recv_until(const std::chrono::time_point<Clock, Duration>& when) const {
    return recv_value(Deadline::at(when));
  }

 private:
  [[nodiscard]] std::optional<T> recv_value(Deadline deadline) const {
    const auto message = recv_message(deadline);
    if (!message) return std::nullopt;
    return decode_pickle<T>(*message);
  }
};

}  // namespace polyproc::inline v0
