// SPDX-License-Identifier: MIT
// Boost.Interprocess message_queue as a Channel.
#pragma once

#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include <boost/interprocess/ipc/message_queue.hpp>

#include "../channel.hpp"

namespace bench {

class BoostChannel {
  using Queue = boost::interprocess::message_queue;

 public:
  explicit BoostChannel(const Shape& shape) : shape_(shape), queue_(make(shape)) {}

  class Sender {
   public:
    explicit Sender(BoostChannel& channel)
        : queue_(*channel.queue_), message_(channel.shape_.size), consumers_(channel.shape_.consumers) {}
    void put(Stamp stamp) {
      write_stamp(message_, stamp);
      queue_.send(message_.data(), message_.size(), 0);
    }
    void end(bool last) {
      for (std::uint32_t i = 0; last && i < consumers_; ++i) put(kEnd);
    }

   private:
    Queue& queue_;
    std::vector<std::byte> message_;
    std::uint32_t consumers_;
  };

  class Receiver {
   public:
    explicit Receiver(BoostChannel& channel) : queue_(*channel.queue_), message_(channel.shape_.size) {}
    [[nodiscard]] Stamp get() {
      Queue::size_type size = 0;
      unsigned priority = 0;
      queue_.receive(message_.data(), message_.size(), size, priority);
      if (size != message_.size()) throw std::runtime_error("Boost message_queue: a message of another size");
      return read_stamp(message_);
    }
    [[nodiscard]] static std::uint32_t ends() noexcept { return 1; }

   private:
    Queue& queue_;
    std::vector<std::byte> message_;
  };

  [[nodiscard]] Sender sender(std::uint32_t /*producer*/) { return Sender(*this); }
  [[nodiscard]] Receiver receiver(std::uint32_t /*consumer*/) { return Receiver(*this); }

 private:
  // The name is given up at once: the children inherit the mapping, and nothing is left behind.
  static std::unique_ptr<Queue> make(const Shape& shape) {
    static int made = 0;
    if (shape.bound == 0) throw Skip("Boost message_queue is always bounded");
    const std::string name = fmt::format("polyproc-bench-{}-{}", ::getpid(), made++);
    const boost::interprocess::create_only_t create;
    auto queue = std::make_unique<Queue>(create, name.c_str(), shape.bound, shape.size);
    Queue::remove(name.c_str());
    return queue;
  }

  Shape shape_;
  std::unique_ptr<Queue> queue_;
};

}  // namespace bench
