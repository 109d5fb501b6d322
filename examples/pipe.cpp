// SPDX-License-Identifier: MIT
// A pipe between two processes: one sends, the other receives until it is told to stop.
#include <iostream>
#include <string>
#include <vector>

#include <polyproc/polyproc.hpp>

void sender(polyproc::Connection<std::string> connection, const std::vector<std::string>& messages) {
  for (const std::string& message : messages) {
    connection.send(message);
    std::cout << "Sent the message: " << message << std::endl;
  }
}

void receiver(polyproc::Connection<std::string> connection) {
  for (std::string message = connection.recv(); message != "END"; message = connection.recv())
    std::cout << "Received the message: " << message << std::endl;
}

int main(int argc, char** argv) {
  polyproc::init(argc, argv);

  auto [here, there] = polyproc::Pipe<std::string>();
  polyproc::Process p1(sender, here, std::vector<std::string>{"hello", "hey", "hru?", "END"});
  polyproc::Process p2(receiver, there);
  p1.start();
  p1.join();
  p2.start();
  p2.join();
  return p1.exitcode() == 0 && p2.exitcode() == 0 ? 0 : 1;
}
