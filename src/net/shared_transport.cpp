// SPDX-License-Identifier: MIT
#include "net/shared_transport.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <polyproc/os/error.hpp>

#include "os/cpu.hpp"
#include "os/poll.hpp"

namespace polyproc::inline v0 {
namespace {

constexpr const char* kWhat = "a connection through shared memory";
// Looks at the memory before the processor is offered to others, who may be those that are waited for.
constexpr int kLooks = 64;
// Who waits for room while another thread reads looks for the end of the connection so often.
constexpr std::chrono::milliseconds kSlice{20};

using Clock = std::chrono::steady_clock;

}  // namespace

SharedTransport::SharedTransport(os::Fd socket, SharedLanes lanes, Side side) noexcept
    : Transport(std::move(socket)),
      lanes_(std::move(lanes)),
      in_(lanes_, side == Side::server ? 0 : 1),
      out_(lanes_, side == Side::server ? 1 : 0) {}

// A byte on the socket; where that is full, the other end has bells enough to hear. One that has gone may have left bytes to read.
void SharedTransport::ring() {
  constexpr std::byte kBell{};
  try {
    (void)write_socket_now(std::span(&kBell, 1));
  } catch (const EndOfFile&) {
    at_end_ = true;
  }
}

bool SharedTransport::take_bells() {
  std::array<std::byte, 64> bells;
  const ssize_t count = ::recv(fd(), bells.data(), bells.size(), MSG_DONTWAIT);
  if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) at_end_ = true;
  in_.wake();
  return at_end_;
}

std::size_t SharedTransport::write_some(std::span<const std::byte> bytes) {
  if (at_end_) throw_gone();
  const std::size_t count = out_.write(bytes);
  if (count != 0 && out_.reader_sleeps()) ring();
  if (count == 0 && !bytes.empty() && !out_.rest()) return write_some(bytes);
  return count;
}

bool SharedTransport::write(std::span<const iovec> parts, Deadline deadline) {
  for (const iovec& part : parts) {
    std::span left(static_cast<const std::byte*>(part.iov_base), part.iov_len);
    while (!left.empty()) {
      const std::size_t count = write_some(left);
      left = left.subspan(count);
      if (count == 0 && !wait(false, true, deadline)) return false;
    }
  }
  return true;
}

std::optional<std::size_t> SharedTransport::read(std::span<std::byte> room, Deadline deadline) {
  for (;;) {
    const std::size_t count = in_.read(room);
    if (count != 0) {
      if (in_.writer_sleeps()) ring();
      return count;
    }
    // What was published before the end came is there now.
    if (at_end_) return in_.read(room);
    if (!wait(true, false, deadline)) return std::nullopt;
  }
}

bool SharedTransport::wait(bool for_input, bool for_room, Deadline deadline) {
  const auto ready = [&] {
    return at_end_ || (for_input && in_.holds_input()) || (for_room && out_.has_room());
  };
  if (ready()) return true;
  if (deadline.is_now()) return false;
  if (!for_input) {  // the thread that reads has the socket
    if (out_.rest()) out_.sleep(deadline.remaining(kSlice));
    return ready() || !deadline.passed();
  }
  const auto begin = Clock::now();
  const auto end = std::min(begin + patience_.most(), deadline.when());
  for (int i = 0; i < kLooks || Clock::now() < end; ++i) {
    if (ready()) {
      patience_.learn(Clock::duration::zero());
      return true;
    }
    if (i < kLooks)
      os::cpu_relax();
    else if (!offering_.offer())
      break;
  }
  bool in_time = true;
  while (in_time && in_.rest() && (!for_room || out_.rest())) {
    in_time = os::wait_for(fd(), POLLIN, deadline, kWhat);
    if (in_time) (void)take_bells();
    if (ready()) break;
  }
  in_.wake();
  patience_.learn(Clock::now() - begin);
  return ready() || in_time;
}

}  // namespace polyproc::inline v0
