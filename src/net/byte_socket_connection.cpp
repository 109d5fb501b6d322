// SPDX-License-Identifier: MIT
#include <polyproc/net/byte_socket_connection.hpp>

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cstring>
#include <mutex>
#include <ostream>
#include <semaphore>
#include <utility>

#include <fmt/format.h>
#include <polyproc/channel/byte_connection.hpp>
#include <polyproc/os/error.hpp>

#include "net/frame.hpp"
#include "net/transport.hpp"
#include "os/poll.hpp"

namespace polyproc::inline v0 {
namespace {

os::Fd checked_stream(os::Fd socket) {
  int type = 0;
  socklen_t size = sizeof type;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM)
    throw InvalidArgument(
        fmt::format("making a connection: descriptor {} is no stream socket", socket.get()));
  return socket;
}

iovec part_of(std::span<const std::byte> bytes) noexcept {
  return {const_cast<std::byte*>(bytes.data()), bytes.size()};
}

}  // namespace

struct ByteSocketConnection::End {
  explicit End(std::unique_ptr<Transport> t) : transport(std::move(t)) {}
  End(const End&) = delete;
  End& operator=(const End&) = delete;
  ~End() {
    if (transport) transport->close();
  }

  std::unique_ptr<Transport> transport;
  std::atomic<bool> closed{false};
  std::mutex sending;
  std::binary_semaphore receiving{1};  // a mutex that can be waited for with a deadline
  FrameParser parser;
  std::atomic<std::uint64_t> longest{kNoLimit};
  bool unreadable = false;
};

ByteSocketConnection::ByteSocketConnection() noexcept = default;
ByteSocketConnection::ByteSocketConnection(os::Fd socket)
    : ByteSocketConnection(std::make_unique<Transport>(checked_stream(std::move(socket)))) {}
ByteSocketConnection::ByteSocketConnection(std::unique_ptr<Transport> transport)
    : end_(std::make_shared<End>(std::move(transport))) {}
ByteSocketConnection::~ByteSocketConnection() = default;
ByteSocketConnection::ByteSocketConnection(const ByteSocketConnection&) noexcept = default;
ByteSocketConnection::ByteSocketConnection(ByteSocketConnection&&) noexcept = default;
ByteSocketConnection& ByteSocketConnection::operator=(const ByteSocketConnection&) noexcept = default;
ByteSocketConnection& ByteSocketConnection::operator=(ByteSocketConnection&&) noexcept = default;

ByteSocketConnection::End& ByteSocketConnection::end(const char* act) const {
  if (closed())
    throw UsageError(fmt::format("{} a connection: it was closed or moved from; use one that is open", act));
  return *end_;
}

void ByteSocketConnection::send_bytes(std::span<const std::byte> message) const {
  (void)send_message(message, Deadline::never());
}

bool ByteSocketConnection::send_message(std::span<const std::byte> message, Deadline deadline) const {
  End& end = this->end("sending through");
  const FrameHeader header(message.size());
  const std::array parts{part_of(header.bytes()), part_of(message)};
  const std::lock_guard lock(end.sending);
  if (end.transport->write(parts, deadline)) return true;
  ::shutdown(end.transport->fd(), SHUT_RDWR);  // the stream ends within a message
  return false;
}

namespace {

// The right to receive, unless the deadline came first.
class Turn {
 public:
  Turn(std::binary_semaphore& semaphore, Deadline deadline) : semaphore_(semaphore) {
    constexpr std::chrono::hours kSlice{1};
    do taken_ = semaphore.try_acquire_for(deadline.remaining(kSlice));
    while (!taken_ && !deadline.passed());
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() {
    if (taken_) semaphore_.release();
  }
  explicit operator bool() const noexcept { return taken_; }

 private:
  std::binary_semaphore& semaphore_;
  bool taken_ = false;
};

[[noreturn]] void throw_end(bool inside) {
  throw EndOfFile(inside ? "receiving from a connection: it ended within a message"
                         : "receiving from a connection: the other end is closed, or its process has ended");
}

}  // namespace

std::optional<std::vector<std::byte>> ByteSocketConnection::recv_message(Deadline deadline) const {
  End& end = this->end("receiving from");
  const Turn turn(end.receiving, deadline);
  if (!turn) return std::nullopt;
  if (end.unreadable)
    throw UsageError(
        "receiving from a connection: a message was refused, and what follows cannot be told from it; close "
        "it");
  end.parser.set_longest(end.longest.load());
  for (;;) {
    if (auto message = end.parser.take()) return message;
    const auto count = end.transport->read(end.parser.room(), deadline);
    if (!count) return std::nullopt;
    if (*count == 0) throw_end(end.parser.is_inside());
    end.unreadable = true;
    end.parser.arrived(*count);
    end.unreadable = false;
  }
}

std::size_t ByteSocketConnection::recv_bytes_into(std::span<std::byte> buffer) const {
  auto message = recv_bytes();
  if (message.size() > buffer.size()) throw BufferTooShort(std::move(message), buffer.size());
  if (!message.empty()) std::memcpy(buffer.data(), message.data(), message.size());
  return message.size();
}

void ByteSocketConnection::set_longest(std::uint64_t bytes) const { end("limiting").longest.store(bytes); }

bool ByteSocketConnection::poll_until(Deadline deadline) const {
  const End& end = this->end("polling");
  return end.transport->holds_input() || os::wait_for(end.transport->fd(), POLLIN, deadline, "a connection");
}

int ByteSocketConnection::fileno() const { return end("taking the descriptor of").transport->fd(); }

std::unique_ptr<Transport> detail::TransportAccess::take(ByteSocketConnection&& connection) {
  auto end = std::exchange(connection.end_, nullptr);
  return std::move(end->transport);
}

void ByteSocketConnection::close() noexcept {
  if (end_ && !end_->closed.exchange(true)) end_->transport->close();
  end_.reset();
}

bool ByteSocketConnection::closed() const noexcept { return !end_ || end_->closed.load(); }

std::ostream& operator<<(std::ostream& out, const ByteSocketConnection& connection) {
  if (connection.closed()) return out << "SocketConnection(closed)";
  return out << "SocketConnection(descriptor " << connection.fileno() << ')';
}

}  // namespace polyproc::inline v0
