// SPDX-License-Identifier: MIT
// A program that found the component asio.
#include <boost/asio/io_context.hpp>
#include <polyproc/asio/asio.hpp>

int main() {
  boost::asio::io_context context;
  polyproc::Queue<int> queue;
  int got = 0;
  polyproc::async_get(context, queue, [&](const std::exception_ptr&, int item) { got = item; });
  context.poll();
  queue.put(7);
  context.run();
  return got == 7 ? 0 : 1;
}
