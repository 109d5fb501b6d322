// SPDX-License-Identifier: MIT
// The guide's example of connections between programs, which is compiled and runs.
#include <gtest/gtest.h>
#include <polyproc/net/net.hpp>

#include <string>
#include <thread>

namespace {

// clang-format off
void listen_and_answer(polyproc::Listener& listener) {
  auto connection = listener.accept<std::string>();
  connection.send("You ask: " + connection.recv());
}

TEST(Guide, BetweenPrograms) {
  polyproc::Listener listener("localhost:0", {.authkey = "our secret"});
  std::thread other([&] { listen_and_answer(listener); });
  const polyproc::Address address = listener.address();
  polyproc::Client<std::string> connection(address, {.authkey = "our secret"});
  connection.send("why?");
  std::string answer = connection.recv();
  EXPECT_EQ(answer, "You ask: why?");
  other.join();
}
// clang-format on

}  // namespace
