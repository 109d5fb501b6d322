// SPDX-License-Identifier: MIT
// polyproc's queue as a Channel, through its public interface: one item a call, or batches.
#pragma once

#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include <polyproc/channel/queue.hpp>

#include "channel.hpp"

namespace bench {

// A message of N bytes as a user would declare it.
template <std::size_t N>
struct Record {
  std::array<std::byte, N> bytes;
};

// How a type of item carries a message.
template <class T>
struct Carrier {
  static T make(std::size_t size) {
    if (size != sizeof(T)) throw std::logic_error("no such message");
    return T{};
  }
  static std::span<std::byte> bytes(T& item) noexcept { return std::as_writable_bytes(std::span(&item, 1)); }
};
template <>
struct Carrier<std::string> {
  static std::string make(std::size_t size) { return std::string(size, 'x'); }
  static std::span<std::byte> bytes(std::string& item) noexcept {
    return std::as_writable_bytes(std::span(item));
  }
};

// What is no plain memory: encoded when it is put, decoded when it is got.
struct Order {
  std::uint64_t number = 0;
  double price = 12.5;
  std::string customer = "a customer's name";
  std::vector<int> parts = {1, 2, 3, 4};
  bool paid = false;
};
template <>
struct Carrier<Order> {
  static Order make(std::size_t /*size*/) { return {}; }
  static std::span<std::byte> bytes(Order& item) noexcept {
    return std::as_writable_bytes(std::span(&item.number, 1));
  }
};
template <>
struct Carrier<std::vector<double>> {
  static std::vector<double> make(std::size_t size) {
    return std::vector<double>(size / sizeof(double), 1.5);
  }
  static std::span<std::byte> bytes(std::vector<double>& item) noexcept {
    return std::as_writable_bytes(std::span(item));
  }
};

template <class T>
class PolyprocChannel {
 public:
  explicit PolyprocChannel(const Shape& shape) : shape_(shape), queue_(shape.bound) {}

  class Sender {
   public:
    explicit Sender(const PolyprocChannel& channel)
        : queue_(channel.queue_),
          item_(Carrier<T>::make(channel.shape_.size)),
          consumers_(channel.shape_.consumers) {}
    void put(Stamp stamp) {
      write_stamp(Carrier<T>::bytes(item_), stamp);
      queue_.put(item_);
    }
    void end(bool last) {
      for (std::uint32_t i = 0; last && i < consumers_; ++i) put(kEnd);
    }

   private:
    polyproc::Queue<T> queue_;
    T item_;
    std::uint32_t consumers_;
  };

  class Receiver {
   public:
    explicit Receiver(const PolyprocChannel& channel) : queue_(channel.queue_) {}
    [[nodiscard]] Stamp get() {
      T item = queue_.get();
      return read_stamp(Carrier<T>::bytes(item));
    }
    [[nodiscard]] static std::uint32_t ends() noexcept { return 1; }

   private:
    polyproc::Queue<T> queue_;
  };

  [[nodiscard]] Sender sender(std::uint32_t /*producer*/) { return Sender(*this); }
  [[nodiscard]] Receiver receiver(std::uint32_t /*consumer*/) { return Receiver(*this); }

 private:
  Shape shape_;
  polyproc::Queue<T> queue_;
};

// The same with put_many and get_many of up to kBatch items, for one consumer.
template <class T>
class PolyprocBatchChannel {
 public:
  static constexpr std::size_t kBatch = 64;
  explicit PolyprocBatchChannel(const Shape& shape) : queue_(shape.bound) {
    if (shape.consumers != 1) throw Skip("batches are measured with one consumer");
  }

  class Sender {
   public:
    explicit Sender(const polyproc::Queue<T>& queue) : queue_(queue) { batch_.reserve(kBatch); }
    void put(Stamp stamp) {
      write_stamp(Carrier<T>::bytes(batch_.emplace_back()), stamp);
      if (batch_.size() == kBatch) flush();
    }
    void end(bool last) {
      if (last) put(kEnd);
      flush();
    }

   private:
    void flush() {
      queue_.put_many(batch_);
      batch_.clear();
    }
    polyproc::Queue<T> queue_;
    std::vector<T> batch_;
  };

  class Receiver {
   public:
    explicit Receiver(const polyproc::Queue<T>& queue) : queue_(queue) {}
    [[nodiscard]] Stamp get() {
      if (next_ == batch_.size()) {
        batch_ = queue_.get_many(kBatch);
        next_ = 0;
      }
      return read_stamp(Carrier<T>::bytes(batch_[next_++]));
    }
    [[nodiscard]] static std::uint32_t ends() noexcept { return 1; }

   private:
    polyproc::Queue<T> queue_;
    std::vector<T> batch_;
    std::size_t next_ = 0;
  };

  [[nodiscard]] Sender sender(std::uint32_t /*producer*/) { return Sender(queue_); }
  [[nodiscard]] Receiver receiver(std::uint32_t /*consumer*/) { return Receiver(queue_); }

 private:
  polyproc::Queue<T> queue_;
};

}  // namespace bench
