// SPDX-License-Identifier: MIT
// Who waits for an answer receives, for all others too; when it has its own, another one takes its place. So a single call
// needs no thread beside its own.
#include "manager/native_link.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <polyproc/codec/codec.hpp>
#include <polyproc/os/error.hpp>

#include "manager/own_connection.hpp"
#include "manager/python_link.hpp"
#include "net/frame.hpp"
#include "net/passing.hpp"
#include "net/shared_transport.hpp"

namespace polyproc::inline v0 {
namespace {

using native::Ask;
using native::Tell;

constexpr std::size_t kReadBytes = 64 * 1024;
constexpr std::size_t kMostCorked = 256 * 1024;
// Who waits for something of which nobody tells him looks for it so often.
constexpr std::chrono::milliseconds kSlice{20};

// One connection, and the calls that wait for answers on it.
class Line {
 public:
  Line(OwnConnection connection, std::string server)
      : socket_(std::move(connection.socket)),
        transport_(std::move(connection.transport)),
        server_(std::move(server)) {}
  ~Line() {
    if (transport_) transport_->close();
  }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  // The first message: the server's address.
  [[nodiscard]] Object read_hello(Deadline deadline);
  void use_memory(const os::Fd& file);

  [[nodiscard]] std::shared_ptr<PendingAnswer> start(std::shared_ptr<Link> link, Ask ask,
                                                     std::uint64_t object, std::string_view method,
                                                     std::span<const std::byte> arguments);
  [[nodiscard]] bool wait(PendingAnswer& answer, Deadline deadline);
  void tell(Ask ask, std::uint32_t number, std::uint64_t object);
  // The same without ever waiting for somebody who sends, who may be waiting for this thread to receive.
  void tell_soon(Ask ask, std::uint32_t number, std::uint64_t object);
  void cork();
  void uncork();
  [[nodiscard]] bool is_broken() const noexcept { return broken_.load(std::memory_order_acquire); }
  // The connection is another process's as well.
  void abandon() noexcept { transport_.reset(); }

 private:
  struct Waiter {
    PendingAnswer* answer;
    std::condition_variable changed;
  };
  [[noreturn]] void throw_gone() const;
  void send(const native::RequestHead& head, std::string_view method, std::span<const std::byte> rest);
  void append(const native::RequestHead& head, std::string_view method, std::span<const std::byte> rest);
  [[nodiscard]] bool has_output() const { return !output_.empty() || transport_->wants_to_write(); }
  bool send_output(Deadline deadline);
  [[nodiscard]] bool flush(Deadline deadline);
  void send_what_waits();
  void make_room(Deadline deadline);
  bool receive(Deadline deadline);
  [[nodiscard]] bool receive_until_done(PendingAnswer& answer, Deadline deadline);
  void take_message(std::vector<std::byte> message);
  void give_back(const native::AnswerHead& head, std::span<const std::byte> pickle);
  void break_off() noexcept;
  void pass_on();

  PrivateSocket socket_;
  std::unique_ptr<Transport> transport_;
  std::string server_;
  std::atomic<bool> broken_{false};

  // Whoever sends may find, while it reads answers, that something more is to be told.
  std::recursive_mutex sending_;
  bool is_sending_ = false;
  std::vector<std::byte> output_;
  std::size_t corked_ = 0;

  std::mutex lock_;
  bool is_received_ = false;  // by a thread that is in receive()
  std::uint32_t last_number_ = 0;
  std::unordered_map<std::uint32_t, std::weak_ptr<PendingAnswer>> calls_;
  std::vector<Waiter*> waiters_;
  std::vector<native::RequestHead> to_tell_;

  FrameParser parser_;  // the receiver's alone
  std::array<std::byte, kReadBytes> input_;
};

void Line::throw_gone() const {
  throw Closed(fmt::format(
      "the manager's server at {} is gone: it has ended or was killed; objects there are lost", server_));
}

Object Line::read_hello(Deadline deadline) {
  os::Fd memory;
  const bool local = transport_->passes_descriptors();
  for (;;) {
    const auto count = local ? read_with(*transport_, parser_.room(), memory, deadline)
                             : transport_->read(parser_.room(), deadline);
    if (!count)
      throw TimeoutError(fmt::format("connecting to the manager at {}: it does not answer", server_));
    if (*count == 0) throw_gone();
    parser_.arrived(*count);
    const auto message = parser_.take();
    if (!message) continue;
    const auto head = native::read_answer(*message);
    if (!head) throw_gone();
    if (head->tell == Tell::memory) use_memory(memory);
    return decode_pickle<Object>(std::span(*message).subspan(native::kAnswerBytes));
  }
}

// Where it did not arrive, or there is no room for it, the connection goes on through the socket.
void Line::use_memory(const os::Fd& file) {
  std::optional<SharedLanes> lanes;
  try {
    if (file) lanes.emplace(SharedLanes::attach(file));
  } catch (const OsError&) {
  }
  tell(Ask::memory, 0, lanes ? 1 : 0);
  if (lanes)
    transport_ = std::make_unique<SharedTransport>(transport_->release(), std::move(*lanes),
                                                   SharedTransport::Side::client);
}

std::shared_ptr<PendingAnswer> Line::start(std::shared_ptr<Link> link, Ask ask, std::uint64_t object,
                                           std::string_view method, std::span<const std::byte> arguments) {
  if (method.size() > 255) throw InvalidArgument("calling a shared object: the method's name is too long");
  auto answer = std::make_shared<PendingAnswer>(std::move(link), this);
  std::uint32_t number = 0;
  {
    const std::lock_guard lock(lock_);
    if (is_broken()) throw_gone();
    do number = ++last_number_;
    while (number == 0 || calls_.contains(number));
    calls_.emplace(number, answer);
  }
  send({ask, static_cast<std::uint8_t>(method.size()), number, thread_number(), object}, method, arguments);
  return answer;
}

void Line::tell(Ask ask, std::uint32_t number, std::uint64_t object) {
  send({ask, 0, number, 0, object}, {}, {});
}

void Line::tell_soon(Ask ask, std::uint32_t number, std::uint64_t object) {
  {
    const std::lock_guard lock(lock_);
    to_tell_.push_back({ask, 0, number, 0, object});
  }
  send_what_waits();
}

// If somebody else has the lock, it is his to do, once he has let it go; what cannot be sent at once goes before whatever is sent
// next.
void Line::send_what_waits() {
  const auto is_waiting = [&] {
    const std::lock_guard lock(lock_);
    return !to_tell_.empty();
  };
  while (is_waiting()) {
    const std::unique_lock sending(sending_, std::try_to_lock);
    if (!sending) return;
    std::vector<native::RequestHead> heads;
    {
      const std::lock_guard lock(lock_);
      heads.swap(to_tell_);
    }
    if (is_broken()) return;
    for (const auto& head : heads) append(head, {}, {});
    if (is_sending_ || corked_ != 0) continue;
    try {
      const std::size_t sent = transport_->write_some(output_);
      output_.erase(output_.begin(), output_.begin() + static_cast<std::ptrdiff_t>(sent));
    } catch (const Error&) {
      break_off();
    }
  }
}

void Line::append(const native::RequestHead& head, std::string_view method, std::span<const std::byte> rest) {
  std::array<std::byte, native::kRequestBytes> bytes;
  native::write_head(bytes, head);
  const FrameHeader frame(bytes.size() + method.size() + rest.size());
  const auto add = [&](std::span<const std::byte> part) {
    output_.insert(output_.end(), part.begin(), part.end());
  };
  add(frame.bytes()), add(bytes), add(std::as_bytes(std::span(method))), add(rest);
}

void Line::send(const native::RequestHead& head, std::string_view method, std::span<const std::byte> rest) {
  {
    const std::lock_guard lock(sending_);
    if (is_broken()) throw_gone();
    append(head, method, rest);
    if (!is_sending_ && (corked_ == 0 || output_.size() > kMostCorked)) (void)send_output(Deadline::never());
  }
  send_what_waits();
}

// False at the deadline: the rest goes before whatever is sent next. The server reads no more while its answers are not read: whoever sends reads them, if nobody else does.
bool Line::send_output(Deadline deadline) {
  std::size_t sent = 0;
  bool in_time = true;
  is_sending_ = true;
  try {
    while (sent < output_.size() || transport_->wants_to_write()) {
      const std::size_t count = transport_->write_some(std::span(output_).subspan(sent));
      sent += count;
      if (count != 0) continue;
      if (!(in_time = !deadline.passed())) break;
      make_room(deadline);
    }
  } catch (const Error&) {
    is_sending_ = false;
    output_.clear();
    break_off();
    throw_gone();
  }
  is_sending_ = false;
  output_.erase(output_.begin(), output_.begin() + static_cast<std::ptrdiff_t>(sent));
  if (output_.capacity() > kMostCorked) output_.shrink_to_fit();
  return in_time;
}

void Line::make_room(Deadline deadline) {
  bool mine = false;
  {
    const std::lock_guard lock(lock_);
    mine = !std::exchange(is_received_, true);
  }
  (void)transport_->wait(mine, true, mine ? deadline : std::min(deadline, Deadline::after(kSlice)));
  if (!mine) return;
  (void)receive(Deadline::now());
  const std::lock_guard lock(lock_);
  is_received_ = false;
  pass_on();
}

// What was held back, and what others have left to who sends. False when somebody else is sending, or at the deadline.
bool Line::flush(Deadline deadline) {
  bool done = true;
  {
    std::unique_lock sending(sending_, std::defer_lock);
    if (deadline.is_never())
      sending.lock();
    else if (!sending.try_lock())
      return false;
    if (has_output() && !is_sending_) done = send_output(deadline);
  }
  send_what_waits();
  return done;
}

void Line::cork() {
  {
    const std::lock_guard lock(sending_);
    ++corked_;
  }
  send_what_waits();
}

void Line::uncork() {
  {
    const std::lock_guard lock(sending_);
    if (corked_ == 0) return;  // it was the line of this process's parent that was corked
    if (--corked_ == 0 && has_output() && !is_sending_) (void)send_output(Deadline::never());
  }
  send_what_waits();
}

// All who wait hear of it.
void Line::break_off() noexcept {
  broken_.store(true, std::memory_order_release);
  if (transport_) ::shutdown(transport_->fd(), SHUT_RDWR);
  const std::lock_guard lock(lock_);
  calls_.clear();
  for (Waiter* each : waiters_) each->changed.notify_one();
}

void Line::take_message(std::vector<std::byte> message) {
  const auto head = native::read_answer(message);
  if (!head) throw Error("an answer that is none");
  std::shared_ptr<PendingAnswer> answer;  // whoever waits for it holds it as well
  {
    const std::lock_guard lock(lock_);
    const auto found = calls_.find(head->number);
    if (found == calls_.end()) return;
    answer = found->second.lock();
    calls_.erase(found);
    if (answer) {
      answer->deliver(head->tell, head->number, std::move(message), native::kAnswerBytes);
      for (Waiter* each : waiters_)
        if (each->answer == answer.get()) each->changed.notify_one();
      return;
    }
  }
  give_back(*head, std::span(message).subspan(native::kAnswerBytes));
}

// Of an answer that nobody wants any more.
void Line::give_back(const native::AnswerHead& head, std::span<const std::byte> pickle) {
  if (head.tell == Tell::proxies) tell_soon(Ask::seen, head.number, 0);
  if (head.tell == Tell::shared) tell_soon(Ask::decrease, 0, shared_number(pickle));
}

// What is there, at least something; false at the deadline. By one thread at a time.
bool Line::receive(Deadline deadline) {
  try {
    auto count = transport_->read(input_, deadline);
    // Who only looks sees the memory alone, and not the end of the connection.
    if (!count && deadline.is_now() && transport_->is_shared() && transport_->take_bells())
      count = transport_->read(input_, deadline);
    if (!count) return false;
    if (*count == 0) throw EndOfFile("");
    std::span<const std::byte> rest = std::span(input_).first(*count);
    while (!rest.empty()) {
      const auto room = parser_.room();
      const std::size_t part = std::min(room.size(), rest.size());
      std::memcpy(room.data(), rest.data(), part);
      parser_.arrived(part);
      rest = rest.subspan(part);
      if (auto message = parser_.take()) take_message(std::move(*message));
    }
  } catch (const Error&) {
    break_off();
  }
  return true;
}

// Somebody else who waits receives from now on. The lock is held.
void Line::pass_on() {
  for (Waiter* each : waiters_)
    if (!each->answer->is_done()) return each->changed.notify_one();
}

bool Line::wait(PendingAnswer& answer, Deadline deadline) {
  for (;;) {
    if (answer.is_done()) return true;
    // Whoever sends may do so for longer than until the deadline, and may hold this call back.
    const bool is_sent = flush(deadline);
    if (receive_until_done(answer, is_sent ? deadline : std::min(deadline, Deadline::after(kSlice))))
      return true;
    if (deadline.passed()) return false;
  }
}

bool Line::receive_until_done(PendingAnswer& answer, Deadline deadline) {
  std::unique_lock lock(lock_);
  Waiter self{&answer, {}};
  waiters_.push_back(&self);
  const auto leave = [&] {
    std::erase(waiters_, &self);
    if (!is_received_) pass_on();
  };
  // Once at least, so that who only looks receives what is there.
  for (bool looked = false; !answer.is_done() && !is_broken() && !(looked && deadline.passed());
       looked = true) {
    if (!std::exchange(is_received_, true)) {
      lock.unlock();
      (void)receive(deadline);
      lock.lock();
      is_received_ = false;
    } else if (deadline.is_never()) {
      self.changed.wait(lock);
    } else if (!deadline.is_now()) {
      self.changed.wait_until(lock, deadline.when());
    }
  }
  leave();
  if (answer.is_done()) return true;
  if (is_broken()) throw_gone();
  return false;
}

class NativeLink final : public Link {
 public:
  NativeLink(LinkOptions options, OwnConnection connection) : Link(std::move(options)) {
    open(std::move(connection));
  }
  ~NativeLink() override {
    if (is_stale())
      line()->abandon();
    else
      delete line();
  }

  std::shared_ptr<PendingAnswer> start(Ask ask, std::uint64_t object, std::string_view method,
                                       std::span<const std::byte> arguments) override {
    renew_after_fork();
    return line()->start(shared_from_this(), ask, object, method, arguments);
  }
  bool wait(PendingAnswer& answer, Deadline deadline) override {
    if (is_stale() || answer.connection() != line())
      throw UsageError("waiting for a manager's answer: it was asked for by the parent of this process");
    return line()->wait(answer, deadline);
  }
  void cork() override {
    renew_after_fork();
    line()->cork();
  }
  void uncork() override {
    if (!is_stale()) line()->uncork();
  }
  void seen(std::uint32_t number) noexcept override {
    if (is_stale() || is_broken()) return;
    try {
      line()->tell_soon(Ask::seen, number, 0);
    } catch (const std::exception&) {  // the server is gone
    }
  }
  bool is_broken() const noexcept override { return !is_stale() && line()->is_broken(); }

 protected:
  void send_increase(std::uint64_t object) override { line()->tell(Ask::increase, 0, object); }
  void send_decrease(std::uint64_t object) override { line()->tell_soon(Ask::decrease, 0, object); }
  // The parent's threads may be inside of the old one for ever: it is left as it is, but for its transport.
  void reopen() override {
    OwnConnection connection = open_connection(options_, native::kOffer);
    if (!connection.agreed) throw Closed(fmt::format("another server listens at {} now", options_.address));
    line()->abandon();
    open(std::move(connection));
  }

 private:
  [[nodiscard]] Line* line() const noexcept { return line_.load(std::memory_order_acquire); }
  void open(OwnConnection connection) {
    auto made = std::make_unique<Line>(std::move(connection), options_.address.str());
    token_address_ = made->read_hello(Deadline::after(options_.connect.timeout));
    line_.store(made.release(), std::memory_order_release);
  }

  std::atomic<Line*> line_{nullptr};
};

}  // namespace

std::shared_ptr<Link> make_link(LinkOptions options) {
  OwnConnection connection = open_connection(options, native::kOffer);
  if (connection.agreed) return std::make_shared<NativeLink>(std::move(options), std::move(connection));
  return make_python_link(std::move(options), std::move(connection));
}

}  // namespace polyproc::inline v0
