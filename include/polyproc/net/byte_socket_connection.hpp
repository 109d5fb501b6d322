// SPDX-License-Identifier: MIT
// ByteSocketConnection: one end of a connection over TCP or a Unix socket, made by Listener and Client; what goes through it are
// messages of bytes in CPython's frames. SocketConnection<T> makes them values.
//
// A copy names the same end. Thread safety: any number of threads may send and receive at once; each message is whole. An end
// belongs to one process: a forked child closes its copy, or its parent does.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <polyproc/net/address.hpp>
#include <polyproc/os/deadline.hpp>
#include <polyproc/os/fd.hpp>

namespace polyproc::inline v0 {

class Transport;
namespace detail {
struct TransportAccess;
}

class POLYPROC_API ByteSocketConnection {
 public:
  static constexpr std::uint64_t kNoLimit = UINT64_MAX;

  // A handle without a connection: closed.
  ByteSocketConnection() noexcept;
  // Of a connected stream socket, without any handshake. Throws InvalidArgument for a descriptor of another kind.
  explicit ByteSocketConnection(os::Fd socket);
  ~ByteSocketConnection();
  ByteSocketConnection(const ByteSocketConnection&) noexcept;
  ByteSocketConnection(ByteSocketConnection&&) noexcept;
  ByteSocketConnection& operator=(const ByteSocketConnection&) noexcept;
  ByteSocketConnection& operator=(ByteSocketConnection&&) noexcept;

  // Returns when the kernel has the message. Throws EndOfFile when the other end is gone.
  void send_bytes(std::span<const std::byte> message) const;

  // ---- receiving; nothing at the deadline: what has arrived of a message is kept for the next call. Each throws EndOfFile,
  // and OsError (EMSGSIZE) for a message longer than set_longest allows, after which nothing more can be received.
  [[nodiscard]] std::vector<std::byte> recv_bytes() const { return *recv_message(Deadline::never()); }
  [[nodiscard]] std::optional<std::vector<std::byte>> try_recv_bytes() const {
    return recv_message(Deadline::now());
  }
  template <class Rep, class Period>
  [[nodiscard]] std::optional<std::vector<std::byte>> recv_bytes_for(
      const std::chrono::duration<Rep, Period>& timeout) const {
    return recv_message(Deadline::after(timeout));
  }
  template <class Clock, class Duration>
  [[nodiscard]] std::optional<std::vector<std::byte>> recv_bytes_until(
      const std::chrono::time_point<Clock, Duration>& when) const {
    return recv_message(Deadline::at(when));
  }
  // Into memory of the caller's; the number of bytes. Throws BufferTooShort, with the message, when it is longer.
  [[nodiscard]] std::size_t recv_bytes_into(std::span<std::byte> buffer) const;
  // Longer messages are refused before they are received, from now on; at first there is no limit.
  void set_longest(std::uint64_t bytes) const;

  // Whether something has arrived, be it a part of a message, or the other end is gone.
  [[nodiscard]] bool poll() const { return poll_until(Deadline::now()); }
  template <class Rep, class Period>
  [[nodiscard]] bool poll(const std::chrono::duration<Rep, Period>& timeout) const {
    return poll_until(Deadline::after(timeout));
  }
  [[nodiscard]] bool poll_until(Deadline deadline) const;
  // For poll, epoll and the like. With TLS ask poll() first: decrypted bytes may wait that the kernel does not know of.
  [[nodiscard]] int fileno() const;

  // Closes the end in this process, for all its handles; later use of them is a UsageError. Not while another thread waits in
  // one of them.
  void close() noexcept;
  [[nodiscard]] bool closed() const noexcept;

  friend bool operator==(const ByteSocketConnection&, const ByteSocketConnection&) noexcept = default;
  friend POLYPROC_API std::ostream& operator<<(std::ostream& out, const ByteSocketConnection& connection);

  // The byte core. Nothing at the deadline.
  [[nodiscard]] std::optional<std::vector<std::byte>> recv_message(Deadline deadline) const;
  // False at the deadline; if a part was sent by then, the connection is closed.
  [[nodiscard]] bool send_message(std::span<const std::byte> message, Deadline deadline) const;
  explicit ByteSocketConnection(std::unique_ptr<Transport> transport);

 private:
  friend struct detail::TransportAccess;
  struct End;
  [[nodiscard]] End& end(const char* act) const;

  std::shared_ptr<End> end_;
};

}  // namespace polyproc::inline v0
