// SPDX-License-Identifier: MIT
// A pool whose tasks abort, throw, hang and get killed: each has its own end, and all others theirs.
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <polyproc/polyproc.hpp>

using namespace std::chrono_literals;

int work(const std::string& how) {
  if (how == "aborts") std::abort();
  if (how == "throws") throw std::invalid_argument("not on a Monday");
  if (how == "leaves") std::_Exit(3);
  if (how == "hangs") {
    for (;;) ::pause();
  }
  if (how == "is killed") ::raise(SIGKILL);
  return 42;
}

// The first process to run it is killed, the second one is not.
int work_at_the_second_try(polyproc::Value<int> tries) {
  tries = tries + 1;
  if (tries == 1) ::raise(SIGKILL);
  return tries;
}

std::string end_of(const polyproc::Future<int>& future) {
  try {
    return "gives " + std::to_string(future.get());
  } catch (const polyproc::WorkerLost& lost) {
    return "is lost with its worker: " + (lost.exitcode() < 0
                                              ? "signal " + std::to_string(-lost.exitcode())
                                              : "exit code " + std::to_string(lost.exitcode()));
  } catch (const polyproc::TimeoutError&) {
    return "took too long, and was ended";
  } catch (const polyproc::RemoteError& error) {
    return "threw " + error.type() + ": " + error.message();
  }
}

int main(int argc, char** argv) {
  polyproc::init(argc, argv);

  polyproc::Pool pool(3);
  std::vector<std::pair<std::string, polyproc::Future<int>>> tasks;
  for (const std::string how : {"works", "aborts", "throws", "leaves", "hangs", "is killed", "works too"})
    tasks.emplace_back(how, pool.submit(polyproc::TaskOptions{.timeout = 500ms}, work, how));
  const polyproc::Value<int> tries;
  tasks.emplace_back("is tried twice",
                     pool.submit(polyproc::TaskOptions{.retries = 1}, work_at_the_second_try, tries));

  for (const auto& [how, future] : tasks)
    std::cout << "The task that " << how << ' ' << end_of(future) << '\n';
  std::cout << "The pool works on: " << pool.apply(work, "works") << '\n';
}
