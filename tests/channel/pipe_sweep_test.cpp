// SPDX-License-Identifier: MIT
// A process killed after each machine instruction of sending and receiving through a pipe: each message is whole or not
// there, at most the one in the dead process's hands is gone, and the pipe works on; what the message shared is held once
// for each that has it.
#include <gtest/gtest.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/channel/connection.hpp>
#include <polyproc/shared/value.hpp>

#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "support/sweep.hpp"

namespace polyproc {
namespace {

using testing::Death;
using testing::sweep;

constexpr std::size_t kLeast = 150;  // instructions, or it was not the operation that was swept

// Received into one place, so that the copy of a large message takes the same way each time.
class SweepPipe : public ::testing::Test {
 protected:
  void send() const { pipe_.second.send_bytes(std::as_bytes(std::span(text_))); }
  bool receive_whole() {
    received_.assign(text_.size(), std::byte{});
    const std::size_t size = pipe_.first.recv_bytes_into(received_);
    return size == text_.size() && std::memcmp(received_.data(), text_.data(), size) == 0;
  }
  int drain() {
    int messages = 0;
    for (; pipe_.first.poll(); ++messages) EXPECT_TRUE(receive_whole());
    return messages;
  }
  void expect_usable() {
    for (int i = 0; i < 3; ++i) {
      send();
      EXPECT_TRUE(receive_whole());
    }
  }
  std::size_t sweep_send(std::size_t size, std::size_t stride) {
    text_.assign(size, 'm');
    return sweep({.prepare = [this] { send(), (void)receive_whole(); },
                  .operation = [this] { send(); },
                  .verify =
                      [this](const Death& death) {
                        const int messages = drain();
                        EXPECT_LE(messages, 1);
                        EXPECT_GE(messages, death.completed ? 1 : 0);
                        expect_usable();
                      },
                  .stride = stride});
  }
  // Each time from a new pipe: which of its kept memory a message came in decides the way of the receiver.
  std::size_t sweep_receive(std::size_t size, std::size_t stride) {
    text_.assign(size, 'm');
    const auto renew = [this] {
      pipe_ = Pipe<std::string>();
      for (int i = 0; i < 3; ++i) send();
    };
    renew();
    return sweep({.prepare = [this] { (void)receive_whole(); },
                  .operation = [this] { (void)pipe_.first.recv_bytes_into(received_); },
                  .verify =
                      [this, renew](const Death& death) {
                        const int messages = drain();
                        EXPECT_GE(messages, 1);
                        EXPECT_LE(messages, death.completed ? 1 : 2);
                        expect_usable();
                        renew();
                      },
                  .stride = stride});
  }

  Pipe<std::string> pipe_;
  std::string text_;
  std::vector<std::byte> received_;
};

TEST_F(SweepPipe, Send) { EXPECT_GT(sweep_send(20, 1), kLeast); }
TEST_F(SweepPipe, Receive) { EXPECT_GT(sweep_receive(20, 1), kLeast); }
TEST_F(SweepPipe, SendInKeptMemory) { EXPECT_GT(sweep_send(100'000, 3), kLeast); }
TEST_F(SweepPipe, ReceiveFromKeptMemory) { EXPECT_GT(sweep_receive(100'000, 5), kLeast); }

class SweepPipeOfObjects : public ::testing::Test {
 protected:
  void SetUp() override {
    send_and_settle();
    (void)sweep(
        {.operation = [this] { pipe_.second.send(value_); }, .verify = [](const Death&) {}, .stride = 1'000});
    (void)drain();
    (void)Arena::family().recover();
    blocks_ = Arena::family().stats().blocks;
  }
  void send_and_settle() {
    pipe_.second.send(value_);
    (void)drain();
  }
  int drain() {
    int messages = 0;
    for (; const auto got = pipe_.first.try_recv(); ++messages) EXPECT_EQ(*got, 7);
    return messages;
  }
  void expect_nothing_leaked() {
    (void)Arena::family().recover();
    const ArenaReport report = Arena::family().check();
    for (const std::string& error : report.errors) ADD_FAILURE() << error;
    EXPECT_EQ(Arena::family().stats().blocks, blocks_);
  }

  Pipe<Value<int>> pipe_;
  Value<int> value_{7};
  std::uint64_t blocks_ = 0;
};

TEST_F(SweepPipeOfObjects, Send) {
  EXPECT_GT(sweep({.operation = [this] { pipe_.second.send(value_); },
                   .verify =
                       [this](const Death& death) {
                         const int messages = drain();
                         EXPECT_LE(messages, 1);
                         EXPECT_GE(messages, death.completed ? 1 : 0);
                         expect_nothing_leaked();
                       },
                   .stride = 3}),
            kLeast);
}

TEST_F(SweepPipeOfObjects, Receive) {
  pipe_.second.send(value_);
  EXPECT_GT(sweep({.operation = [this] { (void)pipe_.first.recv(); },
                   .verify =
                       [this](const Death& death) {
                         EXPECT_LE(drain(), death.completed ? 0 : 1);
                         expect_nothing_leaked();
                         pipe_.second.send(value_);
                       },
                   .stride = 3}),
            kLeast);
}

}  // namespace
}  // namespace polyproc
