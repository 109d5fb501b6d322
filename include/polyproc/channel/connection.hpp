// SPDX-License-Identifier: MIT
// Connection: one end of a pipe, through which values of one type go; Pipe: the two ends.
//
//     polyproc::Pipe<std::string> pipe;
//     polyproc::Process child(work, pipe.second);
//     child.start();
//     pipe.second.close();  // so that the end of the child is seen here
//     pipe.first.send("hello");
//     std::string answer = pipe.first.recv();
//
// A connection may be an argument of a Process, and part of a value that is sent through another connection: the
// receiver has the same end. A child that is forked has copies of all ends that its parent had; as long as it has one, the
// other side sees no end of file. So close there what is not used, or start children by spawn or forkserver, which
// have what they are given alone.
#pragma once

#include <chrono>
#include <optional>
#include <utility>

#include <polyproc/channel/byte_connection.hpp>
#include <polyproc/codec/codec.hpp>

namespace polyproc::inline v0 {

// Of which a value goes through a connection: what the codec knows (docs/wire.md).
template <class T = Object>
class Connection : public ByteConnection {
 public:
  using value_type = T;

  explicit Connection(ByteConnection bytes) noexcept : ByteConnection(std::move(bytes)) {}
  using ByteConnection::ByteConnection;

  // ---- sending; false at the deadline. What send_bytes throws, and UsageError for a value with a shared object that
  // its receiver could not attach.
  void send(const T& value) const { (void)send_value(value, Deadline::never()); }
  [[nodiscard]] bool try_send(const T& value) const { return send_value(value, Deadline::now()); }
  template <class Rep, class Period>
  [[nodiscard]] bool send_for(const T& value, const std::chrono::duration<Rep, Period>& timeout) const {
    return send_value(value, Deadline::after(timeout));
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool send_until(const T& value, const std::chrono::time_point<Clock, Duration>& when) const {
    return send_value(value, Deadline::at(when));
  }

  // ---- receiving; nothing at the deadline. Each throws EndOfFile, and DecodeError for a message that holds no T: it
  // has been received, the next call receives the next one.
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
  bool send_value(const T& value, Deadline deadline) const {
    if constexpr (RawValue<T>) {
      return send_message(std::as_bytes(std::span(&value, 1)), {}, deadline);
    } else {
      detail::SentHandles handles;
      Writer out({.handles = &handles});
      encode(value, out);
      return send_message(out, handles, deadline);
    }
  }

  std::optional<T> recv_value(Deadline deadline) const {
    ConnectionMessage message;
    if (!receive_message(message, deadline)) return std::nullopt;
    detail::ReceivedHandles handles(message);
    return decode<T>(message.bytes(), handles.empty() ? nullptr : &handles);
  }
};

// Duplex: both ends send and receive. One-way, Pipe<T>(false): the first receives, the second sends.
//
//     auto [here, there] = polyproc::Pipe<int>();
template <class T = Object>
struct Pipe {
  explicit Pipe(bool duplex = true) : Pipe(ByteConnection::make_pair(duplex)) {}

  Connection<T> first;
  Connection<T> second;

 private:
  explicit Pipe(std::pair<ByteConnection, ByteConnection> ends) noexcept
      : first(std::move(ends.first)), second(std::move(ends.second)) {}
};

// (readable, writable, its descriptor).
template <class T>
struct Codec<Connection<T>> {
  static void write(Writer& out, const Connection<T>& connection) {
    const int descriptor = connection.fileno();
    out.begin_tuple(false);
    out.write_bool(connection.readable());
    out.write_bool(connection.writable());
    out.write_descriptor(descriptor);
    out.end_tuple(false);
  }
  static Connection<T> read(Reader& in) {
    in.enter_tuple();
    const bool readable = in.read_bool();
    const bool writable = in.read_bool();
    Connection<T> connection(in.read_descriptor(), readable, writable);
    in.leave_tuple();
    return connection;
  }
};

}  // namespace polyproc::inline v0
