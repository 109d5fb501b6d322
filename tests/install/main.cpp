// SPDX-License-Identifier: MIT
// What a stranger's program does with an installed polyproc: shares values and queues with children of both start
// methods, and catches an exception that the library throws. Exits with 0 when all came out right.
#include <polyproc/polyproc.hpp>

#include <csignal>
#include <cstdio>
#include <mutex>
#include <string>

namespace {

void child(polyproc::Queue<int> queue, polyproc::Value<int> sum, int count) {
  for (int i = 1; i <= count; ++i) {
    queue.put(i);
    const std::scoped_lock guard(sum.get_lock());
    sum = sum + i;
  }
}

bool works_under(const char* method) {
  polyproc::Queue<int> queue;
  polyproc::Value<int> sum{0};
  auto process = polyproc::get_context(method).process(child, queue, sum, 4);
  process.start();
  process.join();
  return process.exitcode() == 0 && sum == 10 && queue.qsize() == 4 && queue.get() == 1;
}

bool exceptions_arrive() {
  try {
    (void)polyproc::Arena::open("a/name/that/cannot/be");
  } catch (const polyproc::InvalidArgument& refusal) {
    return std::string(refusal.what()).find("a/name") != std::string::npos;
  }
  return false;
}

// For recover_only.cpp: what a killed process had in a queue.
void die_with_a_queue(const char* name) {
  const polyproc::Arena arena = polyproc::Arena::create(name);
  polyproc::Queue<std::string> queue(arena);
  queue.put(std::string(4'000'000, 'x'));
  std::raise(SIGKILL);
}

}  // namespace

int main(int argc, char** argv) {
  polyproc::init(argc, argv);
  if (argc == 2) die_with_a_queue(argv[1]);
  for (const char* method : {"fork", "spawn"}) {
    if (!works_under(method)) return std::fprintf(stderr, "wrong result under %s\n", method), 1;
  }
  if (!exceptions_arrive()) return std::fprintf(stderr, "no InvalidArgument for a malformed name\n"), 1;
  std::puts("polyproc " POLYPROC_VERSION_STRING " works");
}
