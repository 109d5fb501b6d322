// SPDX-License-Identifier: MIT
// This process's way to one server. Proxies share it, whoever made them.
//
// A forked child finds it stale, and makes a connection and references of its own when it first uses it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <polyproc/codec/object.hpp>
#include <polyproc/net/listener.hpp>
#include <polyproc/os/deadline.hpp>
#include <polyproc/process/transfer.hpp>

#include "manager/native_protocol.hpp"

namespace polyproc::inline v0 {

class Link;

// An answer that has come, or will.
class PendingAnswer {
 public:
  // `connection`: what it will come through.
  explicit PendingAnswer(std::shared_ptr<Link> link, const void* connection = nullptr) noexcept
      : link_(std::move(link)), connection_(connection) {}
  PendingAnswer(const PendingAnswer&) = delete;
  PendingAnswer& operator=(const PendingAnswer&) = delete;
  // Tells the server that what it keeps for this answer is not needed.
  ~PendingAnswer();

  // What an answer that has come says: its pickle in our own layout. Throws what the call raised.
  [[nodiscard]] std::span<const std::byte> value() const;
  // The number, typeid and exposed methods of a shared object, whose reference is the caller's from now on.
  [[nodiscard]] Object take_shared();
  [[nodiscard]] bool is_shared() const noexcept { return tell_ == native::Tell::shared; }
  [[nodiscard]] Link& link() const noexcept { return *link_; }
  [[nodiscard]] const void* connection() const noexcept { return connection_; }

  void deliver(native::Tell tell, std::uint32_t number, std::vector<std::byte> message, std::size_t offset);
  [[nodiscard]] bool is_done() const noexcept { return done_.load(std::memory_order_acquire); }

 private:
  [[nodiscard]] std::span<const std::byte> pickle() const noexcept {
    return std::span(message_).subspan(offset_);
  }
  void raise_if_failed() const;

  std::shared_ptr<Link> link_;
  const void* connection_;
  std::atomic<bool> done_{false};
  native::Tell tell_ = native::Tell::value;
  std::uint32_t number_ = 0;
  std::vector<std::byte> message_;
  std::size_t offset_ = 0;
};

struct LinkOptions {
  Address address;
  AuthKey key;
  ConnectOptions connect;
};

class Link : public std::enable_shared_from_this<Link> {
 public:
  explicit Link(LinkOptions options);
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  virtual ~Link();

  // Calls a method, or, for control, a function of the server; `arguments`: the pickle of a tuple. Throws Closed when the
  // server is gone.
  [[nodiscard]] virtual std::shared_ptr<PendingAnswer> start(native::Ask ask, std::uint64_t object,
                                                             std::string_view method,
                                                             std::span<const std::byte> arguments) = 0;
  // Until it is there; false at the deadline.
  [[nodiscard]] virtual bool wait(PendingAnswer& answer, Deadline deadline) = 0;
  // Between the two, what is started may be sent together.
  virtual void cork() {}
  virtual void uncork() {}
  virtual void seen(std::uint32_t /*number*/) noexcept {}
  [[nodiscard]] virtual bool is_broken() const noexcept = 0;

  // References of this process; `adopt` when the server has counted it already.
  void adopt(std::uint64_t object);
  void increase(std::uint64_t object);
  void decrease(std::uint64_t object) noexcept;

  [[nodiscard]] const LinkOptions& options() const noexcept { return options_; }
  // As proxies of this server carry it.
  [[nodiscard]] const Object& token_address() const noexcept { return token_address_; }

 protected:
  virtual void send_increase(std::uint64_t object) = 0;
  virtual void send_decrease(std::uint64_t object) = 0;
  // In a forked child: a connection of its own.
  virtual void reopen() = 0;
  // First of all in each operation.
  void renew_after_fork();
  [[nodiscard]] bool is_stale() const noexcept;

  LinkOptions options_;
  Object token_address_;

 private:
  std::unordered_map<std::uint64_t, std::uint64_t> references_;  // by object; links' lock
  std::atomic<unsigned> generation_;
};

// The link to this server: one that there is, or a new one. Throws what connect_to does.
[[nodiscard]] std::shared_ptr<Link> open_link(LinkOptions options);
// One that there is, to the server whose proxies carry this address; null when there is none.
[[nodiscard]] std::shared_ptr<Link> find_link(const Object& token_address);
// To a child of this process, with the key.
void encode_link(Encoder& out, const Link& link);
[[nodiscard]] std::shared_ptr<Link> decode_link(Decoder& in);
// As CPython has addresses: a tuple of TCP's, the path, the abstract name behind a zero byte.
[[nodiscard]] Object address_object(const Address& address);

// Of the calling thread, in this process.
[[nodiscard]] std::uint32_t thread_number() noexcept;

// Which object the pickle of Tell::shared names.
[[nodiscard]] std::uint64_t shared_number(std::span<const std::byte> pickle);

// Throws the C++ exception that stands for one of Python's.
[[noreturn]] void raise_remote(const Object& exception);

}  // namespace polyproc::inline v0
