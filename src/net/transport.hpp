// SPDX-License-Identifier: MIT
// Bytes to and from the other end of a stream, as they are or through TLS. One thread may read while another one writes.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>

#include <polyproc/net/byte_socket_connection.hpp>
#include <polyproc/os/deadline.hpp>
#include <polyproc/os/fd.hpp>

namespace polyproc::inline v0 {

class Transport {
 public:
  explicit Transport(os::Fd socket) noexcept : socket_(std::move(socket)) {}
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  virtual ~Transport();

  // At least one byte, unless there is no room for any; 0 where the stream ends; nothing at the deadline. Throws OsError.
  [[nodiscard]] virtual std::optional<std::size_t> read(std::span<std::byte> room, Deadline deadline);
  // All of it, or false: at the deadline a part may have been written. Throws EndOfFile when the other end is gone, OsError.
  [[nodiscard]] virtual bool write(std::span<const iovec> parts, Deadline deadline);
  // How many of them were taken at once; those that were may still wait here: wants_to_write(). Throws as write.
  [[nodiscard]] virtual std::size_t write_some(std::span<const std::byte> bytes);
  [[nodiscard]] virtual bool wants_to_write() { return false; }
  // What comes before the first byte, TLS's own handshake: false at the deadline, then call it again. Throws Error when the two
  // ends do not agree, EndOfFile.
  [[nodiscard]] virtual bool shake_hands(Deadline) { return true; }
  // Whether bytes wait here that poll knows nothing of.
  [[nodiscard]] virtual bool holds_input() const { return false; }

  // Until there may be bytes to read, or room for some that write_some() did not take; false at the deadline. Those for input are
  // one thread at a time.
  [[nodiscard]] virtual bool wait(bool for_input, bool for_room, Deadline deadline);

  // Whether descriptors can go along with the bytes: on a Unix socket, as they are.
  [[nodiscard]] virtual bool passes_descriptors() const;
  // Whether bytes come by way of memory. Then the descriptor shows them only once rest() has returned true, until take_bells();
  // it shows room for those that were not taken as it shows input.
  [[nodiscard]] virtual bool is_shared() const noexcept { return false; }
  // False when there is something to be read already.
  [[nodiscard]] virtual bool rest() { return true; }
  // Upon input that the descriptor shows; whether there is something else than bells: what is to be read, or the end.
  [[nodiscard]] virtual bool take_bells() { return true; }

  // Over TCP, has the other end told at once what has come, while it waits to hear that before it sends more: CPython leaves
  // Nagle's algorithm on, and a handshake would take 40 ms.
  void acknowledge() const noexcept;

  // Nobody may be inside of the others.
  virtual void close() noexcept { socket_.reset(); }
  [[nodiscard]] int fd() const noexcept { return socket_.get(); }
  // For another one on the same socket.
  [[nodiscard]] os::Fd release() noexcept { return std::move(socket_); }

 protected:
  [[nodiscard]] std::optional<std::size_t> read_socket(std::span<std::byte> room, Deadline deadline);
  // Nothing when the socket takes none now.
  [[nodiscard]] std::size_t write_socket_now(std::span<const std::byte> bytes);
  [[nodiscard]] bool write_socket(std::span<const iovec> parts, Deadline deadline);
  [[noreturn]] static void throw_gone();

 private:
  os::Fd socket_;
};

namespace detail {

struct TransportAccess {
  // Of a connection that nobody else has, between two messages.
  [[nodiscard]] static std::unique_ptr<Transport> take(ByteSocketConnection&& connection);
};

}  // namespace detail
}  // namespace polyproc::inline v0
