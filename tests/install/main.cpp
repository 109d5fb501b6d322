// SPDX-License-Identifier: MIT
// What a stranger's program does with an installed polyproc: shares values and queues with children of both start
// methods, and catches an exception that the library throws. Exits with 0 when all came out right.
#include <polyproc/polyproc.hpp>

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

}  // namespace

int main(int argc, char** argv) {
  polyproc::init(argc, argv);
  for (const char* method : {"fork", "spawn"}) {
    if (!works_under(method)) return std::fprintf(stderr, "wrong result under %s\n", method), 1;
  }
  if (!exceptions_arrive()) return std::fprintf(stderr, "no InvalidArgument for a malformed name\n"), 1;
  std::puts("polyproc " POLYPROC_VERSION_STRING " works");
}
