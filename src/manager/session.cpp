// SPDX-License-Identifier: MIT
#include "manager/session.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <polyproc/os/error.hpp>

#include "manager/native_peer.hpp"
#include "manager/python_peer.hpp"
#include "net/passing.hpp"

namespace polyproc::inline v0 {
namespace {

// At once, so that one client does not keep the others waiting.
constexpr std::size_t kReadBytes = 64 * 1024;
// With so much unsent, nothing more is asked of the client: it does not read its answers.
constexpr std::size_t kMostUnsent = 1024 * 1024;
// What an idle connection may keep of its buffers.
constexpr std::size_t kIdleBytes = 4096;

void shrink(std::vector<std::byte>& buffer) {
  buffer.clear();
  if (buffer.capacity() > kIdleBytes) buffer.shrink_to_fit();
}

}  // namespace

Session::Session(ServerContext& context, std::unique_ptr<Transport> transport, const AuthKey& key,
                 std::string name, Ended ended)
    : context_(context),
      transport_(std::move(transport)),
      name_(std::move(name)),
      ended_(std::move(ended)),
      handshake_(std::make_unique<Handshake>(Handshake::Side::listener, key, context.options.allow_md5,
                                             native::kOffer)),
      parser_(Handshake::kLongestFrame) {
  context.loop.add(transport_->fd(), EPOLLIN, *this);
  watched_ = EPOLLIN;
  too_late_ = context.loop.at(EventLoop::Clock::now() + context.options.handshake_timeout, [this] {
    too_late_.reset();
    end(LogLevel::warning, "it has not shown that it has the key in time");
  });
}

void Session::start() {
  guarded([&] {
    (void)receive();
    take_left();
  });
}

Session::~Session() {
  if (too_late_) context_.loop.cancel(*too_late_);
  if (is_looked_at_) context_.loop.look_away(*this);
  context_.loop.remove(transport_->fd());
  peer_.reset();
  transport_->close();
}

template <class Body>
void Session::guarded(Body body) {
  if (stage_ == Stage::ended) return;
  const bool was_inside = std::exchange(is_inside_, true);
  try {
    body();
    if (!was_inside) flush();
    is_inside_ = was_inside;
    if (!was_inside) watch();
    if (!was_inside && transport_->is_shared() && !is_resting_ && !is_looked_at_ && wants_input()) {
      is_looked_at_ = true;
      context_.loop.look_at(*this);
    }
  } catch (const EndOfFile&) {
    end(LogLevel::debug, "it is gone");
  } catch (const AuthenticationError& error) {
    if (handshake_ && !handshake_->farewell().empty()) append(handshake_->farewell());
    try {
      flush();
    } catch (const Error&) {  // it hears nothing any more
    }
    end(LogLevel::warning, error.what());
  } catch (const std::exception& error) {
    end(LogLevel::warning, error.what());
  }
  is_inside_ = was_inside;
}

void Session::ready(std::uint32_t events) {
  guarded([&] {
    const bool shows_input = (events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0;
    const bool must_read = shows_input && transport_->take_bells();
    if (shows_input && std::exchange(is_resting_, false))
      patience_.learn(EventLoop::Clock::now() - last_input_);
    flush();
    if (must_read || (shows_input && wants_input())) (void)receive();
    take_left();
  });
}

bool Session::look() {
  if (stage_ == Stage::ended || !wants_input() || !transport_->holds_input()) return false;
  guarded([&] {
    (void)receive();
    take_left();
  });
  return true;
}

// One that takes nothing now is looked at again when it does.
bool Session::rest() {
  if (stage_ != Stage::ended && wants_input()) {
    if (!transport_->rest()) return false;
    is_resting_ = true;
    last_input_ = EventLoop::Clock::now() - patience_.most();
  }
  is_looked_at_ = false;
  return true;
}

bool Session::receive() {
  if (stage_ == Stage::transport) {
    if (!transport_->shake_hands(Deadline::now())) return false;
    stage_ = Stage::handshake;
    for (const auto& frame : handshake_->begin()) append(frame);
  }
  std::array<std::byte, kReadBytes> part;
  bool any = false;
  do {
    const auto count = transport_->read(part, Deadline::now());
    if (!count) break;
    any = true;
    if (*count == 0) throw EndOfFile("");  // answers to what it said before it went are of no use to it
    input_.insert(input_.end(), part.begin(), part.begin() + static_cast<std::ptrdiff_t>(*count));
    take_input();
    // What comes by way of memory may come for ever: others have their turn first.
  } while (!transport_->is_shared() && transport_->holds_input() && wants_input());
  return any;
}

bool Session::has_left() const {
  return takes_message() && (!input_.empty() || (!transport_->is_shared() && transport_->holds_input()));
}

// What has been sent makes room.
void Session::take_left() {
  for (flush(); has_left(); flush()) {
    if (!input_.empty())
      take_input();
    else if (!receive())
      break;
  }
}

bool Session::takes_message() const noexcept {
  if (stage_ == Stage::transport || stage_ == Stage::handshake) return true;
  return stage_ == Stage::open && peer_->takes_more() && output_.size() - sent_ < kMostUnsent;
}

bool Session::wants_input() const noexcept { return input_.empty() && takes_message(); }

void Session::take_input() {
  const bool was_shared = transport_->is_shared();
  std::size_t at = 0;
  while (at < input_.size() && takes_message()) {
    const auto room = parser_.room();
    const std::size_t count = std::min(room.size(), input_.size() - at);
    std::memcpy(room.data(), input_.data() + at, count);
    at += count;
    parser_.arrived(count);
    const auto message = parser_.take();
    if (!message) continue;
    if (stage_ == Stage::open)
      peer_->take(*message);
    else
      take_handshake(*message);
    if (transport_->is_shared() && !was_shared) at = input_.size();  // bells
  }
  input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(at));
  if (input_.empty()) shrink(input_);
}

void Session::take_handshake(std::span<const std::byte> frame) {
  for (const auto& answer : handshake_->take(frame)) append(answer);
  transport_->acknowledge();
  if (!handshake_->done()) return;
  context_.loop.cancel(*std::exchange(too_late_, std::nullopt));
  const bool is_native = handshake_->agreed();
  handshake_.reset();
  parser_.set_longest(context_.options.longest_message);
  stage_ = Stage::open;
  if (is_native)
    peer_ = std::make_unique<NativePeer>(context_, *this);
  else
    peer_ = std::make_unique<PythonPeer>(context_, *this);
  context_.log(LogLevel::debug, fmt::format("{}: connected", name_));
}

void Session::append(std::span<const std::byte> message) {
  const FrameHeader header(message.size());
  output_.insert(output_.end(), header.bytes().begin(), header.bytes().end());
  output_.insert(output_.end(), message.begin(), message.end());
}

void Session::send(std::span<const std::byte> message) {
  if (stage_ == Stage::ended) return;
  if (is_inside_) return append(message);
  guarded([&] { append(message); });
  // Not at once: who answers is in the middle of another client's call.
  if (has_left()) context_.loop.defer([this] { guarded([&] { take_left(); }); });
}

void Session::close() {
  if (stage_ == Stage::open) stage_ = Stage::closing;
  if (!is_inside_) guarded([] {});
}

std::size_t Session::write_some(std::span<const std::byte> bytes) {
  if (!to_pass_ || bytes.empty()) return transport_->write_some(bytes);
  if (!send_with(*transport_, bytes.front(), to_pass_)) return 0;
  to_pass_.reset();
  return 1;
}

// Where what was said before is on its way, so that the file arrives with what comes next.
bool Session::offer_memory() {
  flush();
  if (!output_.empty() || !transport_->passes_descriptors()) return false;
  try {
    os::Fd file = SharedLanes::make();
    offered_.emplace(SharedLanes::attach(file));
    to_pass_ = std::move(file);
  } catch (const OsError& error) {
    context_.log(LogLevel::warning,
                 fmt::format("{}: is served without shared memory: {}", name_, error.what()));
    return false;
  }
  return true;
}

void Session::use_memory(bool taken) {
  if (!offered_) throw Error("memory is taken that was not offered: it is closed");
  if (taken)
    transport_ = std::make_unique<SharedTransport>(transport_->release(), std::move(*offered_),
                                                   SharedTransport::Side::server);
  offered_.reset();
}

void Session::flush() {
  while (sent_ < output_.size() || transport_->wants_to_write()) {
    const std::size_t count = write_some(std::span(output_).subspan(sent_));
    if (count == 0) break;
    sent_ += count;
  }
  if (sent_ < output_.size()) return;
  sent_ = 0;
  shrink(output_);
  if (stage_ == Stage::closing && !transport_->wants_to_write()) throw EndOfFile("");
}

void Session::watch() {
  std::uint32_t events = transport_->is_shared() || wants_input() ? EPOLLIN : EPOLLRDHUP;
  if (!transport_->is_shared() && (sent_ < output_.size() || transport_->wants_to_write()))
    events |= EPOLLOUT;
  if (events == watched_) return;
  context_.loop.change(transport_->fd(), events);
  watched_ = events;
}

void Session::end(LogLevel level, std::string_view reason) {
  if (std::exchange(stage_, Stage::ended) == Stage::ended) return;
  context_.log(level, fmt::format("{}: ended: {}", name_, reason));
  context_.loop.remove(transport_->fd());
  if (peer_) peer_->withdraw();
  ended_(*this);
}

void Session::say_farewell(std::string_view reason) noexcept {
  try {
    if (peer_) peer_->fail_all(PythonError("EOFError", Object(reason)).exception());
    if (stage_ != Stage::ended) flush();
  } catch (const std::exception&) {  // it hears nothing any more
  }
}

}  // namespace polyproc::inline v0
