// SPDX-License-Identifier: MIT
// The server's loop, and the calls that wait on it, without any client.
#include <gtest/gtest.h>

#include <new>
#include <string>

#include "manager/event_loop.hpp"
#include "manager/shared_object.hpp"
#include "manager/sync_objects.hpp"

namespace polyproc::testing {
namespace {

TEST(EventLoop, ATimerThatWasAlwaysDueRuns) {
  EventLoop loop;
  bool ran = false;
  loop.defer([&] {  // after the timers of its round
    (void)loop.at(EventLoop::Clock::time_point::min(), [&] {
      ran = true;
      loop.stop();
    });
  });
  loop.run();
  EXPECT_TRUE(ran);
}

class Client final : public ClientEnd {
 public:
  using ClientEnd::ClientEnd;
  ~Client() override { give_back(); }
  std::string heard;

 private:
  void send_result(std::uint64_t, const Object& result) override { heard = result.repr(); }
  void send_exception(std::uint64_t, const Object& exception) override { heard = exception.repr(); }
};

TEST(WaitingCall, WhateverALateAttemptThrowsIsItsAnswer) {
  EventLoop loop;
  const auto object = std::make_shared<EventObject>();
  CallList list;
  Client client(loop);
  WaitingCall& call = client.keep(1, object);
  call.wait_in(list, []() -> std::optional<Object> { throw std::bad_alloc(); }, Deadline::never(), {});
  EXPECT_TRUE(list.wake());
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(client.heard, "<builtins.MemoryError object>");
}

}  // namespace
}  // namespace polyproc::testing
