// SPDX-License-Identifier: MIT
// ByteConnection: the compiled core of Connection<T>. One end of a pipe, through which messages of bytes go.
//
// Each message arrives whole and once, in the order in which it was sent, also when several processes and threads send
// and receive on the same end. When send returns, the kernel has the message: its sender may exit at once. Once all
// handles of the other end are closed, or the processes that had them are dead, receiving throws EndOfFile after the
// last message, and sending throws it at once.
//
// A handle: copies name the same end, which is closed in this process by close(), or with the last handle. All methods may be
// called by several threads at once, but close(), which needs the end for itself, and assignment, which needs the handle.
#pragma once

#include <chrono>
#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
#include <ostream>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <polyproc/channel/buffer_too_short.hpp>
#include <polyproc/channel/connection_message.hpp>
#include <polyproc/codec/writer.hpp>
#include <polyproc/os/config.hpp>
#include <polyproc/os/deadline.hpp>
#include <polyproc/os/fd.hpp>

namespace polyproc::inline v0 {

class POLYPROC_API ByteConnection {
 public:
  static constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

  // The two ends of a pipe; one-way: the first receives, the second sends.
  [[nodiscard]] static std::pair<ByteConnection, ByteConnection> make_pair(bool duplex);
  // An end that came from elsewhere. Throws InvalidArgument for a descriptor that is no end of a pipe.
  ByteConnection(os::Fd socket, bool readable, bool writable);

  // ---- sending; false at the deadline. Each throws EndOfFile when the other end is gone, OsError when the system has no
  // memory or no descriptors left.
  void send_bytes(std::span<const std::byte> bytes) const {
    (void)send_message(bytes, {}, Deadline::never());
  }
  [[nodiscard]] bool try_send_bytes(std::span<const std::byte> bytes) const {
    return send_message(bytes, {}, Deadline::now());
  }
  template <class Rep, class Period>
  [[nodiscard]] bool send_bytes_for(std::span<const std::byte> bytes,
                                    const std::chrono::duration<Rep, Period>& timeout) const {
    return send_message(bytes, {}, Deadline::after(timeout));
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool send_bytes_until(std::span<const std::byte> bytes,
                                      const std::chrono::time_point<Clock, Duration>& when) const {
    return send_message(bytes, {}, Deadline::at(when));
  }

  // ---- receiving; nothing at the deadline. Each throws EndOfFile. Descriptors that came along are closed.
  // A message longer than `most` is received too, and thrown: BufferTooShort.
  [[nodiscard]] std::vector<std::byte> recv_bytes(std::size_t most = kNoLimit) const {
    return *recv_bytes_optional(most, Deadline::never());
  }
  [[nodiscard]] std::optional<std::vector<std::byte>> try_recv_bytes(std::size_t most = kNoLimit) const {
    return recv_bytes_optional(most, Deadline::now());
  }
  template <class Rep, class Period>
  [[nodiscard]] std::optional<std::vector<std::byte>> recv_bytes_for(
      const std::chrono::duration<Rep, Period>& timeout, std::size_t most = kNoLimit) const {
    return recv_bytes_optional(most, Deadline::after(timeout));
  }
  template <class Clock, class Duration>
  [[nodiscard]] std::optional<std::vector<std::byte>> recv_bytes_until(
      const std::chrono::time_point<Clock, Duration>& when, std::size_t most = kNoLimit) const {
    return recv_bytes_optional(most, Deadline::at(when));
  }
  // Into memory of the caller's; the number of bytes. Throws BufferTooShort, with the message, when it is longer.
  [[nodiscard]] std::size_t recv_bytes_into(std::span<std::byte> buffer) const;

  // ---- looking
  // Whether receiving would not wait: for a message, or because the other end is gone. When others receive here too, one
  // of them may be faster.
  [[nodiscard]] bool poll() const { return poll_until(Deadline::now()); }
  template <class Rep, class Period>
  [[nodiscard]] bool poll(const std::chrono::duration<Rep, Period>& timeout) const {
    return poll_until(Deadline::after(timeout));
  }
  [[nodiscard]] bool poll_until(Deadline deadline) const;
  template <class Clock, class Duration>
  [[nodiscard]] bool poll_until(const std::chrono::time_point<Clock, Duration>& when) const {
    return poll_until(Deadline::at(when));
  }
  // For poll, epoll and the like: readable when poll() is true. Not for reading or writing: messages have a form of their
  // own (docs/wire.md).
  [[nodiscard]] int fileno() const;
  [[nodiscard]] bool readable() const;
  [[nodiscard]] bool writable() const;

  // Closes the end in this process, for all its handles here; later use of them is a UsageError. A forked child closes so
  // what it has without having been given it.
  void close() noexcept;
  [[nodiscard]] bool closed() const noexcept;

  // The byte core: a message and what it refers to; false at the deadline.
  [[nodiscard]] bool send_message(std::span<const std::byte> bytes, std::span<const int> descriptors,
                                  Deadline deadline) const {
    return send_packet(bytes, {.descriptors = descriptors}, deadline);
  }
  // `out` holds an encoded value.
  [[nodiscard]] bool send_message(Writer& out, const detail::SentHandles& handles, Deadline deadline) const;
  [[nodiscard]] bool receive_message(ConnectionMessage& message, Deadline deadline) const;

  friend bool operator==(const ByteConnection&, const ByteConnection&) noexcept = default;
  friend POLYPROC_API std::ostream& operator<<(std::ostream& out, const ByteConnection& connection);

 private:
  struct End;
  struct Luggage {
    std::span<const int> descriptors;  // those of the value, then the claims
    std::size_t claims = 0;
    std::size_t references = 0;
  };
  [[nodiscard]] bool send_packet(std::span<const std::byte> bytes, const Luggage& luggage,
                                 Deadline deadline) const;
  [[nodiscard]] bool send_references(Writer& out, const detail::SentHandles& handles,
                                     Deadline deadline) const;
  [[nodiscard]] const End& end(std::string_view act) const;
  [[nodiscard]] std::optional<std::vector<std::byte>> recv_bytes_optional(std::size_t most,
                                                                          Deadline deadline) const;

  std::shared_ptr<const End> end_;
};

}  // namespace polyproc::inline v0
