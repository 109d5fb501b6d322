// SPDX-License-Identifier: MIT
// plain_parcel: a program that never calls init, and passes the end of a pipe through a queue. Its exit code is 0 when all came
// out right, 9 after an exception.
#include <polyproc/channel/connection.hpp>
#include <polyproc/channel/queue.hpp>
#include <polyproc/os/error.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <exception>

namespace {

bool ends_well(pid_t child) {
  int status = 0;
  return ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool is_over(const polyproc::Connection<int>& end) {
  try {
    return !end.recv_for(std::chrono::seconds(20)) && false;
  } catch (const polyproc::EndOfFile&) {
    return true;
  }
}

int run() {
  polyproc::Queue<polyproc::Connection<int>> queue;
  polyproc::Pipe<int> pipe;
  const pid_t sender = ::fork();
  if (sender == 0) {
    queue.put(pipe.second);
    ::_exit(0);
  }
  if (!ends_well(sender)) return 1;
  pipe.second.close();
  polyproc::Connection<int> got = queue.get();
  got.send(7);
  if (pipe.first.recv_for(std::chrono::seconds(20)) != 7) return 2;
  queue.put(got);
  got.close();
  queue.shutdown(true);
  return is_over(pipe.first) ? 0 : 3;
}

}  // namespace

int main() {
  try {
    return run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "plain_parcel: %s\n", error.what());
    return 9;
  }
}
