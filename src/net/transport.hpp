// SPDX-License-Identifier: MIT
// Bytes to and from the other end of a stream, as they are or through TLS. One thread may read while another one writes.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <optional>
#include <span>

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
  // Whether bytes wait here that poll knows nothing of.
  [[nodiscard]] virtual bool holds_input() const { return false; }

  // Nobody may be inside of the others.
  virtual void close() noexcept { socket_.reset(); }
  [[nodiscard]] int fd() const noexcept { return socket_.get(); }

 protected:
  [[nodiscard]] std::optional<std::size_t> read_socket(std::span<std::byte> room, Deadline deadline);
  [[nodiscard]] bool write_socket(std::span<const iovec> parts, Deadline deadline);

 private:
  os::Fd socket_;
};

}  // namespace polyproc::inline v0
