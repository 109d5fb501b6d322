// SPDX-License-Identifier: MIT
// A program that found the component manager.
#include <polyproc/net/net.hpp>
#include <thread>

int main() {
  polyproc::Listener listener(polyproc::Address::unique(), {.authkey = "key"});
  std::thread client([&] { polyproc::Client<int>(listener.address(), {.authkey = "key"}).send(7); });
  const int got = listener.accept<int>().recv();
  client.join();
  return got == 7 ? 0 : 1;
}
