// SPDX-License-Identifier: MIT
// A message is one packet of a sequenced-packet socket (docs/wire.md), which the kernel keeps whole whoever sends and
// receives. What is too long for one goes in its tail (message_tail.hpp). That packet is filled all the same: so only a few
// long messages are on their way at once, and a sender that is faster than its receiver waits.
#include <polyproc/channel/byte_connection.hpp>

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include <fmt/format.h>
#include <polyproc/codec/decode_error.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>

#include "channel/message_tail.hpp"
#include "os/fd_socket.hpp"
#include "os/poll.hpp"

namespace polyproc::inline v0 {
namespace {

constexpr const char* kWhat = "a connection";
// Of a message's bytes. The kernel finds room for no more than this without many adjacent pages.
constexpr std::size_t kMostInPacket = 80 * 1024;
constexpr int kSocketBuffer = 4 * static_cast<int>(kMostInPacket);
constexpr std::uint8_t kForm = 1;
// A packet of no more is put together here: one part is sent sooner than two.
constexpr std::size_t kShortPacket = 2048;

// At the beginning of each packet: no packet is empty.
struct Header {
  std::uint8_t form = kForm;
  std::uint8_t claims = 0;        // descriptors that keep the references, the last ones
  std::uint16_t descriptors = 0;  // of the value: behind that of the tail, which is the first
  std::uint32_t references = 0;   // at the end of the message
  std::uint64_t tail = 0;         // bytes of the message that are not in the packet
};
static_assert(sizeof(Header) == 16);

int socket_option(int socket, int option) {
  int value = 0;
  socklen_t size = sizeof value;
  return ::getsockopt(socket, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

template <class Byte>
iovec part_of(std::span<Byte> bytes) noexcept {
  return {const_cast<std::byte*>(bytes.data()), bytes.size()};
}

void require_few(std::size_t descriptors) {
  if (descriptors <= os::kMostFds) return;
  throw InvalidArgument(
      fmt::format("sending through a connection: {} descriptors in one message, and the kernel passes {}; "
                  "send them in several",
                  descriptors, os::kMostFds));
}

void check_packet(const os::ReceivedPacket& packet, const Header& header, std::size_t descriptors) {
  if (packet.fds_lost)
    os::throw_os_error(
        EMFILE, "receiving a message with descriptors, which is lost: raise RLIMIT_NOFILE; recvmsg", kWhat);
  if (packet.size < sizeof header || packet.cut || header.form != kForm)
    throw DecodeError("what came through a connection is no message", 0);
  const std::size_t named = std::size_t{header.descriptors} + header.claims;
  const bool shares = header.references != 0;
  if (descriptors != named + (header.tail != 0 ? 1 : 0) || shares != (header.claims != 0))
    throw DecodeError(fmt::format("a message names {} descriptors, and {} came", named, descriptors), 0);
}

[[noreturn]] void throw_end(const char* act, int socket) {
  throw EndOfFile(fmt::format(
      "{} a connection (descriptor {}): the other end is closed, or the processes that had it have ended",
      act, socket));
}

}  // namespace

struct ByteConnection::End {
  mutable os::Fd socket;  // none once it is closed
  bool readable;
  bool writable;
  std::size_t most_in_packet;  // as the socket's buffer allows
  mutable KeptTails tails{};
};

BufferTooShort::BufferTooShort(std::vector<std::byte> message, std::size_t room)
    : Error(
          fmt::format("receiving from a connection: a message of {} bytes, and room for {}; message() has it",
                      message.size(), room)),
      message_(std::make_shared<const std::vector<std::byte>>(std::move(message))) {}
BufferTooShort::~BufferTooShort() = default;

std::pair<ByteConnection, ByteConnection> ByteConnection::make_pair(bool duplex) {
  auto [first, second] = os::make_fd_sockets();
  // As much as the system grants: refusal is no error.
  for (const int socket : {first.get(), second.get()})
    (void)::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &kSocketBuffer, sizeof kSocketBuffer);
  return {ByteConnection(std::move(first), true, duplex), ByteConnection(std::move(second), duplex, true)};
}

ByteConnection::ByteConnection(os::Fd socket, bool readable, bool writable) {
  const int buffer = socket_option(socket.get(), SO_SNDBUF);
  if (socket_option(socket.get(), SO_DOMAIN) != AF_UNIX ||
      socket_option(socket.get(), SO_TYPE) != SOCK_SEQPACKET || buffer <= 0)
    throw InvalidArgument(
        fmt::format("making a connection: descriptor {} is no end of a pipe", socket.get()));
  const std::size_t most = std::min(kMostInPacket, static_cast<std::size_t>(buffer) / 4);
  end_ = std::shared_ptr<const End>(new End{std::move(socket), readable, writable, most});
}

const ByteConnection::End& ByteConnection::end(std::string_view act) const {
  if (closed())
    throw UsageError(fmt::format(
        "{} a connection: this handle was closed or moved from; use one that is open, or make a Pipe", act));
  return *end_;
}

bool ByteConnection::send_message(Writer& out, const detail::SentHandles& handles, Deadline deadline) const {
  if (handles.blocks().empty()) return send_message(out.bytes(), handles.descriptors(), deadline);
  return send_references(out, handles, deadline);
}

bool ByteConnection::send_packet(std::span<const std::byte> bytes, const Luggage& luggage,
                                 Deadline deadline) const {
  const End& end = this->end("sending through");
  if (!end.writable)
    throw UsageError(
        "sending through a connection: it is the receiving end of a one-way pipe; send through its second "
        "end");
  const auto inside = bytes.first(std::min(bytes.size(), end.most_in_packet));
  std::span<const int> descriptors = luggage.descriptors;
  require_few(descriptors.size() + (inside.size() < bytes.size() ? 1 : 0));
  const Header header{.claims = static_cast<std::uint8_t>(luggage.claims),
                      .descriptors = static_cast<std::uint16_t>(descriptors.size() - luggage.claims),
                      .references = static_cast<std::uint32_t>(luggage.references),
                      .tail = bytes.size() - inside.size()};
  std::array parts{part_of(std::as_bytes(std::span(&header, 1))), part_of(inside)};
  std::array<std::byte, kShortPacket> together;
  const bool is_short = sizeof header + inside.size() <= together.size();
  if (is_short) {
    std::memcpy(together.data(), &header, sizeof header);
    std::copy_n(inside.data(), inside.size(), together.data() + sizeof header);
    parts[0] = part_of(std::span(together).first(sizeof header + inside.size()));
  }
  std::optional<StoredTail> tail;
  std::vector<int> with_tail;
  if (header.tail != 0) {
    tail.emplace(end.tails, bytes.subspan(inside.size()));
    with_tail.push_back(tail->descriptor());
    with_tail.insert(with_tail.end(), descriptors.begin(), descriptors.end());
    descriptors = with_tail;
  }
  const auto status =
      os::send_packet(end.socket.get(), std::span(parts).first(is_short ? 1 : 2), descriptors, deadline);
  if (status == os::PacketStatus::gone) throw_end("sending through", end.socket.get());
  if (status == os::PacketStatus::done && tail) tail->was_sent();
  POLYPROC_FAIL_POINT("connection.sent");
  return status == os::PacketStatus::done;
}

bool ByteConnection::receive_message(ConnectionMessage& message, Deadline deadline) const {
  const End& end = this->end("receiving from");
  if (!end.readable)
    throw UsageError(
        "receiving from a connection: it is the sending end of a one-way pipe; receive from its first end");
  const std::span<std::byte> target = message.target_;
  const std::size_t beyond = kMostInPacket - std::min(target.size(), kMostInPacket);
  message.own_.reset(new std::byte[sizeof(Header) + beyond]);
  std::byte* const rest = message.own_.get() + sizeof(Header);
  std::array parts{part_of(std::span(message.own_.get(), sizeof(Header))), part_of(target),
                   part_of(std::span(rest, beyond))};
  if (target.empty()) parts[0].iov_len += beyond;  // all of it in one
  os::ReceivedPacket packet;
  std::vector<os::Fd>& fds = message.descriptors_;
  const auto status = os::receive_packet(end.socket.get(), std::span(parts).first(target.empty() ? 1 : 3),
                                         packet, fds, deadline);
  if (status == os::PacketStatus::gone) throw_end("receiving from", end.socket.get());
  if (status == os::PacketStatus::timed_out) return false;
  Header header;
  std::memcpy(&header, message.own_.get(), std::min(packet.size, sizeof header));
  check_packet(packet, header, fds.size());
  POLYPROC_FAIL_POINT("connection.received");

  const std::size_t inside = packet.size - sizeof header;
  const std::size_t in_target = std::min(inside, target.size());
  os::Fd tail;
  if (header.tail != 0) {
    tail = std::move(fds.front());
    fds.erase(fds.begin());
    check_tail(tail, header.tail);
  }
  const std::size_t size = inside + header.tail;
  if (size <= target.size()) {
    message.bytes_ = target.first(size);
  } else if (target.empty() && !tail) {
    message.bytes_ = std::span(rest, size);
  } else {
    message.long_.resize(size);
    message.bytes_ = message.long_;
    std::copy_n(target.data(), in_target, message.long_.data());
    std::copy_n(rest, inside - in_target, message.long_.data() + in_target);
  }
  if (tail) take_tail(end.tails, tail, message.bytes_.subspan(inside));
  if (header.references != 0) message.split(header.references, header.claims);
  return true;
}

std::optional<std::vector<std::byte>> ByteConnection::recv_bytes_optional(std::size_t most,
                                                                          Deadline deadline) const {
  ConnectionMessage message;
  if (!receive_message(message, deadline)) return std::nullopt;
  std::vector<std::byte> bytes = std::move(message).take_bytes();
  if (bytes.size() > most) throw BufferTooShort(std::move(bytes), most);
  return bytes;
}

std::size_t ByteConnection::recv_bytes_into(std::span<std::byte> buffer) const {
  ConnectionMessage message(buffer);
  (void)receive_message(message, Deadline::never());
  const auto bytes = message.bytes();
  if (bytes.size() > buffer.size()) throw BufferTooShort(std::move(message).take_bytes(), buffer.size());
  // With references behind them they did not fit.
  if (!bytes.empty() && bytes.data() != buffer.data()) std::memcpy(buffer.data(), bytes.data(), bytes.size());
  return bytes.size();
}

bool ByteConnection::poll_until(Deadline deadline) const {
  const End& end = this->end("polling");
  if (!end.readable)
    throw UsageError("polling a connection: it is the sending end of a one-way pipe; poll its first end");
  return os::wait_for(end.socket.get(), POLLIN, deadline, kWhat);
}

void ByteConnection::close() noexcept {
  if (end_) end_->socket.reset();
  end_.reset();
}
bool ByteConnection::closed() const noexcept { return !end_ || !end_->socket; }

int ByteConnection::fileno() const { return end("taking the descriptor of").socket.get(); }
bool ByteConnection::readable() const { return end("asking").readable; }
bool ByteConnection::writable() const { return end("asking").writable; }

std::ostream& operator<<(std::ostream& out, const ByteConnection& connection) {
  if (connection.closed()) return out << "Connection(closed)";
  return out << "Connection(descriptor " << connection.fileno() << ')';
}

}  // namespace polyproc::inline v0
