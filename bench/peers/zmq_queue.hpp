// SPDX-License-Identifier: MIT
// ZeroMQ PUSH/PULL over ipc as a Channel. Each consumer listens at an address of its own; a producer has a socket for
// each consumer and takes them in turn, as PUSH does, so that the end can be said to each behind its last message.
#pragma once

#include <unistd.h>
#include <zmq.h>

#include <memory>
#include <string>
#include <vector>

#include "../channel.hpp"

namespace bench {

class ZmqSocket {
 public:
  ZmqSocket(int kind, std::uint64_t bound) : socket_(::zmq_socket(context(), kind)) {
    require(socket_ != nullptr, "zmq_socket");
    const int mark = static_cast<int>(bound);
    require(::zmq_setsockopt(socket_, ZMQ_SNDHWM, &mark, sizeof mark) == 0, "ZMQ_SNDHWM");
    require(::zmq_setsockopt(socket_, ZMQ_RCVHWM, &mark, sizeof mark) == 0, "ZMQ_RCVHWM");
  }
  ZmqSocket(const ZmqSocket&) = delete;
  ZmqSocket& operator=(const ZmqSocket&) = delete;
  ~ZmqSocket() { ::zmq_close(socket_); }

  void connect(const std::string& address) {
    require(::zmq_connect(socket_, address.c_str()) == 0, "zmq_connect");
  }
  void bind(const std::string& address) { require(::zmq_bind(socket_, address.c_str()) == 0, "zmq_bind"); }
  void send(std::span<const std::byte> message) {
    require(::zmq_send(socket_, message.data(), message.size(), 0) >= 0, "zmq_send");
  }
  [[nodiscard]] std::size_t receive(std::span<std::byte> message) {
    const int size = ::zmq_recv(socket_, message.data(), message.size(), 0);
    require(size >= 0, "zmq_recv");
    return static_cast<std::size_t>(size);
  }

 private:
  static void require(bool good, const char* what) {
    if (!good) throw std::runtime_error(fmt::format("{}: {}", what, ::zmq_strerror(::zmq_errno())));
  }
  // One for the process, made after the fork; it has a thread for input and output.
  static void* context() {
    static void* const made = ::zmq_ctx_new();
    return made;
  }
  void* socket_;
};

class ZmqChannel {
 public:
  explicit ZmqChannel(const Shape& shape) : shape_(shape) {
    static int made = 0;
    for (std::uint32_t i = 0; i < shape.consumers; ++i) {  // '@': a name that is no file
      addresses_.push_back(fmt::format("ipc://@polyproc-bench-{}-{}", ::getpid(), made++));
    }
  }

  class Sender {
   public:
    explicit Sender(const ZmqChannel& channel) : message_(channel.shape_.size) {
      for (const std::string& address : channel.addresses_) {
        sockets_.push_back(std::make_unique<ZmqSocket>(ZMQ_PUSH, channel.shape_.bound));
        sockets_.back()->connect(address);
        sockets_.back()->send(std::as_bytes(std::span("hello")));
      }
    }
    void put(Stamp stamp) {
      write_stamp(message_, stamp);
      sockets_[turn_]->send(message_);
      turn_ = turn_ + 1 == sockets_.size() ? 0 : turn_ + 1;
    }
    void end(bool /*last*/) {
      for (std::size_t i = 0; i < sockets_.size(); ++i) put(kEnd);
    }

   private:
    std::vector<std::unique_ptr<ZmqSocket>> sockets_;
    std::vector<std::byte> message_;
    std::size_t turn_ = 0;
  };

  class Receiver {
   public:
    Receiver(const ZmqChannel& channel, std::uint32_t consumer)
        : socket_(std::make_unique<ZmqSocket>(ZMQ_PULL, channel.shape_.bound)),
          message_(channel.shape_.size),
          producers_(channel.shape_.producers) {
      socket_->bind(channel.addresses_[consumer]);
      for (std::uint32_t i = 0; i < producers_; ++i) (void)socket_->receive(message_);  // their hellos
    }
    [[nodiscard]] Stamp get() {
      if (socket_->receive(message_) != message_.size())
        throw std::runtime_error("ZeroMQ: a message of another size");
      return read_stamp(message_);
    }
    // Each producer says it to each consumer.
    [[nodiscard]] std::uint32_t ends() const noexcept { return producers_; }

   private:
    std::unique_ptr<ZmqSocket> socket_;
    std::vector<std::byte> message_;
    std::uint32_t producers_;
  };

  [[nodiscard]] Sender sender(std::uint32_t /*producer*/) const { return Sender(*this); }
  [[nodiscard]] Receiver receiver(std::uint32_t consumer) const { return Receiver(*this, consumer); }

 private:
  Shape shape_;
  std::vector<std::string> addresses_;
};

}  // namespace bench
