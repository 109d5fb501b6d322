// SPDX-License-Identifier: MIT
// A program that found the component manager.
#include <polyproc/manager/manager.hpp>

#include <mutex>
#include <string>
#include <thread>
#include <vector>

class Counter {
 public:
  int add(int sum) { return count_ += sum; }

 private:
  int count_ = 0;
};

bool connects() {
  polyproc::Listener listener(polyproc::Address::unique(), {.authkey = "key"});
  std::thread client([&] { polyproc::Client<int>(listener.address(), {.authkey = "key"}).send(7); });
  const int got = listener.accept<int>().recv();
  client.join();
  return got == 7;
}

bool manages() {
  polyproc::Manager::type<Counter>("Counter").method("add", &Counter::add);
  const polyproc::Manager manager;
  const auto list = manager.list<int>({1, 2, 3});
  const auto dict = manager.dict<std::string, int>({{"one", 1}});
  const auto set = manager.set<int>({1, 1});
  const auto queue = manager.queue<std::string>(1);
  const auto lock = manager.rlock();
  const std::lock_guard guard(lock);
  queue.put("item");
  dict["two"] = 2;
  bool refused = false;
  try {
    (void)list.at(9);
  } catch (const polyproc::RemoteError& error) {
    refused = error.type() == "IndexError";
  }
  return refused && list.slice(1, {}) == std::vector{2, 3} && dict.size() == 2 &&
         set.values() == std::vector{1} && !queue.try_put("more") && manager.value(5).get() == 5 &&
         manager.create("Counter").call<int>("add", 3) == 3 && fmt::format("{}", list) == "[1, 2, 3]";
}

int main() { return connects() && manages() ? 0 : 1; }
