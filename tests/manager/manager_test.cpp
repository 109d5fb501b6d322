// SPDX-License-Identifier: MIT
// A manager's objects through their proxies, in one process; what they raise, and when they are freed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <polyproc/manager/manager.hpp>

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "manager/support.hpp"
#include "support/forked_child.hpp"

namespace polyproc::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using namespace std::chrono_literals;

class ManagerTest : public ::testing::Test {
 protected:
  // Who raises what.
  template <class F>
  static std::string type_of(F call) {
    try {
      call();
    } catch (const RemoteError& error) {
      return error.type();
    }
    return "nothing";
  }
  ServerThread server_;
  Manager manager_ = Manager::connect(server_.address(), kKey);
};

TEST_F(ManagerTest, List) {
  const auto list = manager_.list<int>({3, 1, 2});
  list.append(5);
  list.extend({7, 7});
  EXPECT_EQ(list.size(), 6u);
  EXPECT_EQ(list[0], 3);
  EXPECT_EQ(list[-1], 7);
  list.sort();
  EXPECT_THAT(list.values(), ElementsAre(1, 2, 3, 5, 7, 7));
  EXPECT_THAT(list.slice(1, 3), ElementsAre(2, 3));
  EXPECT_THAT(list.slice({}, {}, -2), ElementsAre(7, 5, 2));
  list.set(0, 9);
  list.insert(1, 8);
  EXPECT_EQ(list.pop(0), 9);
  EXPECT_EQ(list.pop(), 7);
  list.remove(8);
  EXPECT_TRUE(list.contains(5));
  EXPECT_EQ(list.index(3), 1u);
  EXPECT_EQ(list.count(7), 1u);
  std::vector<int> seen;
  for (const int each : list) seen.push_back(each);
  EXPECT_THAT(seen, ElementsAre(2, 3, 5, 7));
  list += {1};
  list.set_slice(0, 2, {4, 4, 4});
  list.erase(-1);
  list.erase_slice(1, 3);
  EXPECT_EQ(list.str(), "[4, 5, 7]");
  EXPECT_EQ(fmt::format("{}", list), "[4, 5, 7]");
  EXPECT_EQ(list.get_value(), Object::list({4, 5, 7}));
  EXPECT_EQ(type_of([&] { (void)list[99]; }), "IndexError");
  EXPECT_EQ(type_of([&] { list.remove(99); }), "ValueError");
  EXPECT_THROW((void)list.call<std::string>("__getitem__", 0), DecodeError);
  const auto words = manager_.list<std::string>();
  words.append("a");
  EXPECT_EQ(words[0], "a");
}

TEST_F(ManagerTest, Dict) {
  const auto dict = manager_.dict<std::string, std::vector<int>>({{"a", {1}}});
  dict["b"] = {2, 3};
  dict.set("c", {});
  const std::vector<int> b = dict["b"];
  EXPECT_THAT(b, ElementsAre(2, 3));
  EXPECT_EQ(dict.get("no"), std::nullopt);
  EXPECT_THAT(dict.get("no", {7}), ElementsAre(7));
  EXPECT_THAT(dict.keys(), ElementsAre("a", "b", "c"));
  EXPECT_THAT(dict.items(),
              ElementsAre(Pair("a", ElementsAre(1)), Pair("b", ElementsAre(2, 3)), Pair("c", ElementsAre())));
  EXPECT_EQ(dict.popitem().first, "c");
  dict.update({{"d", {4}}});
  EXPECT_THAT(dict.setdefault("d", {5}), ElementsAre(4));
  EXPECT_TRUE(dict.contains("d"));
  dict.erase("d");
  EXPECT_EQ(dict.size(), 2u);
  std::map<std::string, std::size_t> sizes;
  for (const auto& [key, value] : dict) sizes[key] = value.size();
  EXPECT_THAT(sizes, ElementsAre(Pair("a", 1u), Pair("b", 2u)));
  EXPECT_EQ(type_of([&] { (void)dict.at("no"); }), "KeyError");
  EXPECT_EQ(dict.str(), "{'a': [1], 'b': [2, 3]}");
  dict.clear();
  EXPECT_TRUE(dict.empty());
}

TEST_F(ManagerTest, SetValueArrayAndNamespace) {
  const auto set = manager_.set<std::string>({"a", "b"});
  set.add("c");
  set.add("a");
  set.discard("b");
  EXPECT_THAT(set.values(), ElementsAre("a", "c"));
  EXPECT_TRUE(set.issubset({"a", "c", "d"}));
  set.intersection_update({"c"});
  EXPECT_EQ(set.pop(), "c");
  EXPECT_EQ(type_of([&] { (void)set.pop(); }), "KeyError");

  const auto value = manager_.value(41);
  value = value + 1;
  EXPECT_EQ(value.get(), 42);
  EXPECT_EQ(value.str(), "Value('i', 42)");

  const auto array = manager_.array<double>({1.5, 2});
  array.set(-1, 4);
  EXPECT_EQ(array[1], 4.0);
  EXPECT_THAT(array.values(), ElementsAre(1.5, 4.0));
  EXPECT_THAT(array.slice({}, {}, -1), ElementsAre(4.0, 1.5));
  EXPECT_THAT(manager_.array<std::uint64_t>({UINT64_MAX}).values(), ElementsAre(UINT64_MAX));
  EXPECT_EQ(array.str(), "array('d', [1.5, 4.0])");
  EXPECT_EQ(type_of([&] { (void)manager_.array<std::uint8_t>({}).call("__setitem__", 0, 1); }), "IndexError");

  const auto space = manager_.namespace_();
  space.set("name", "Sam");
  space.set("age", 10);
  EXPECT_EQ(space.get<std::string>("name"), "Sam");
  EXPECT_EQ(space.str(), "Namespace(age=10, name='Sam')");
  space.erase("age");
  EXPECT_EQ(type_of([&] { (void)space.get("age"); }), "AttributeError");
}

TEST_F(ManagerTest, Queue) {
  const auto queue = manager_.joinable_queue<std::string>(2);
  queue.put("a");
  EXPECT_TRUE(queue.try_put("b"));
  EXPECT_FALSE(queue.try_put("c"));
  EXPECT_FALSE(queue.put_for("c", 1ms));
  EXPECT_TRUE(queue.full());
  EXPECT_EQ(queue.get(), "a");
  EXPECT_EQ(queue.get_for(1s), "b");
  EXPECT_EQ(queue.try_get(), std::nullopt);
  EXPECT_EQ(queue.get_for(1ms), std::nullopt);
  queue.task_done();
  queue.task_done();
  queue.join();
  EXPECT_EQ(type_of([&] { queue.task_done(); }), "ValueError");
  std::thread getter([&] { EXPECT_THROW((void)queue.get(), ShutDown); });
  queue.shutdown();
  getter.join();
  EXPECT_THROW(queue.put("d"), ShutDown);
}

TEST_F(ManagerTest, QueueOfManyThreads) {
  constexpr int kThreads = 4, kItems = 500;
  const auto queue = manager_.queue<int>(3);
  std::atomic<long> sum{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int item = 1; item <= kItems; ++item) queue.put(item);
    });
    threads.emplace_back([&] {
      for (int item = 1; item <= kItems; ++item) sum += queue.get();
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(sum, kThreads * kItems * (kItems + 1) / 2);
  EXPECT_TRUE(queue.empty());
}

TEST_F(ManagerTest, LocksAreTheirThreads) {
  for (const LockProxy& lock :
       {manager_.lock(), manager_.rlock(), manager_.semaphore(), manager_.bounded_semaphore()}) {
    long count = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        for (int each = 0; each < 100; ++each) {
          const std::lock_guard guard(lock);
          ++count;
        }
      });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(count, 400);
    EXPECT_TRUE(lock.try_lock());
    std::thread([&] { EXPECT_FALSE(lock.try_lock_for(1ms)); }).join();
    lock.unlock();
  }
  const auto recursive = manager_.rlock();
  const std::scoped_lock both(recursive, recursive);
  EXPECT_EQ(type_of([&] { manager_.lock().unlock(); }), "RuntimeError");
}

TEST_F(ManagerTest, Condition) {
  const auto condition = manager_.condition(manager_.lock());
  bool ready = false, seen = false;
  std::thread waiter([&] {
    const std::unique_lock lock(condition);
    condition.wait([&] { return ready; });
    seen = true;
  });
  {
    const std::lock_guard lock(condition);
    ready = true;
    condition.notify_all();
  }
  waiter.join();
  EXPECT_TRUE(seen);
  EXPECT_EQ(type_of([&] { condition.notify(); }), "RuntimeError");
  const std::lock_guard lock(condition);
  EXPECT_FALSE(condition.wait_for(1ms));
}

TEST_F(ManagerTest, EventAndBarrier) {
  const auto event = manager_.event();
  EXPECT_FALSE(event.wait_for(1ms));
  std::thread waiter([&] { event.wait(); });
  event.set();
  waiter.join();
  EXPECT_TRUE(event.is_set());

  const auto barrier = manager_.barrier(3);
  std::atomic<std::size_t> places{0};
  std::vector<std::thread> parties;
  for (int i = 0; i < 3; ++i) parties.emplace_back([&] { places += std::size_t{1} << 8 * barrier.wait(); });
  for (auto& party : parties) party.join();
  EXPECT_EQ(places, 0x010101u);
  EXPECT_THROW((void)barrier.wait_until(Deadline::after(1ms)), BrokenBarrier);
  EXPECT_TRUE(barrier.broken());
  barrier.reset();
  EXPECT_EQ(barrier.n_waiting(), 0u);
  EXPECT_EQ(barrier.parties(), 3u);
}

TEST_F(ManagerTest, ProxiesInValues) {
  const auto outer = manager_.list<ListProxy<int>>();
  {
    const auto inner = manager_.list<int>({1});
    outer.append(inner);
  }
  const auto inner = outer[0];
  inner.append(2);
  EXPECT_THAT(outer[0].values(), ElementsAre(1, 2));
  const auto mixed = manager_.dict();
  mixed.set("inner", inner.to_object());
  const Object held = mixed.at("inner");
  EXPECT_EQ(ListProxy<int>(Proxy(held)).size(), 2u);
  EXPECT_EQ(Proxy(held), inner);
  EXPECT_THROW(Proxy(Object(1)), TypeMismatch);
}

TEST_F(ManagerTest, ObjectsAreFreedWithTheirLastReference) {
  const std::size_t before = manager_.number_of_objects();
  {
    const auto outer = manager_.list();
    const auto copy = outer;
    outer.append(manager_.dict().to_object());
    outer.append(Object::list({manager_.dict().to_object()}));
    const Object taken = outer.pop();
    EXPECT_EQ(manager_.number_of_objects(), before + 3);
    (void)outer.call_async<Object>("pop");  // whose answer nobody takes
    EXPECT_THAT(manager_.debug_info(), HasSubstr("refcount=1"));
  }
  EXPECT_EQ(manager_.number_of_objects(), before) << manager_.debug_info();
}

TEST_F(ManagerTest, FuturesAreReadyWithoutBeingWaitedFor) {
  const auto list = manager_.list<std::string>({std::string(1'000'000, 'x')});
  const auto first = list.call_async<std::string>("__getitem__", 0);
  EXPECT_TRUE(wait_until([&] { return first.ready(); }));
  const auto second = list.call_async<std::string>("__getitem__", 0);
  EXPECT_TRUE(wait_until([&] { return second.wait_for(0s); }));
}

TEST_F(ManagerTest, FuturesAndBatches) {
  const auto list = manager_.list<int>();
  std::vector<ManagerFuture<void>> done;
  for (int i = 0; i < 100; ++i) done.push_back(list.call_async<void>("append", i));
  for (auto& each : done) each.get();
  std::vector<ManagerFuture<int>> taken;
  {
    const Manager::Batch batch(manager_);
    for (int i = 0; i < 100; ++i) taken.push_back(list.call_async<int>("pop", 0));
  }
  for (int i = 0; i < 100; ++i) EXPECT_EQ(taken[static_cast<std::size_t>(i)].get(), i);
  auto fails = list.call_async<int>("pop");
  EXPECT_TRUE(fails.wait_for(20s));
  EXPECT_THROW((void)fails.get(), RemoteError);
  EXPECT_THROW((void)fails.get(), UsageError);
  const auto queue = manager_.queue<int>();
  auto later = queue.call_async<int>("get");
  EXPECT_FALSE(later.ready());
  EXPECT_FALSE(later.wait_for(1ms));
  queue.put(5);
  EXPECT_EQ(later.get(), 5);
}

// More answers than any buffer holds, which nobody reads while the questions are sent.
TEST_F(ManagerTest, ManyLargeAnswersBeforeAnyIsRead) {
  const auto text = manager_.value(std::string(100'000, 'x'));
  std::vector<ManagerFuture<std::string>> answers;
  for (int i = 0; i < 200; ++i) answers.push_back(text.call_async<std::string>("get"));
  for (auto& each : answers) ASSERT_EQ(each.get().size(), 100'000u);
}

// Each asks for much with little; the server makes no more answers than are read.
TEST_F(ManagerTest, AnswersThatNobodyWaitsForAreReadAndGivenBack) {
  const std::size_t before = manager_.number_of_objects();
  {
    const auto text = manager_.value(std::string(100'000, 'x'));
    const auto outer = manager_.list();
    outer.append(manager_.list<int>().to_object());
    for (int i = 0; i < 1000; ++i) (void)text.call_async<std::string>("get");
    for (int i = 0; i < 100; ++i) (void)outer.call_async<Object>("__getitem__", 0);
    EXPECT_EQ(text.get().size(), 100'000u);
  }
  EXPECT_EQ(manager_.number_of_objects(), before) << manager_.debug_info();
}

// Who receives for the others has something to tell, while they fill the connection.
TEST_F(ManagerTest, ThreadsThatAbandonAnswersHoldNobodyUp) {
  const std::size_t before = manager_.number_of_objects();
  {
    const auto text = manager_.value(std::string(50'000, 'x'));
    const auto outer = manager_.list();
    outer.append(manager_.list<int>().to_object());
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        const std::string large(50'000, 'y');
        for (int each = 0; each < 100; ++each) {
          (void)outer.call_async<Object>("__getitem__", 0);
          (void)text.call_async<std::string>("get");
          (void)outer.call_async<Object>("count", large);
          if (each % 10 == 0) {
            EXPECT_EQ(text.get().size(), 50'000u);
          }
        }
      });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(outer.size(), 1u);
  }
  EXPECT_EQ(manager_.number_of_objects(), before) << manager_.debug_info();
}

TEST(ManagerConnection, EndsWithItsLastUserThoughAnAnswerIsOutstanding) {
  ServerThread server;
  { (void)Manager::connect(server.address(), kKey).queue<int>().call_async<int>("get"); }
  const auto manager = Manager::connect(server.address(), kKey);
  const Deadline deadline = Deadline::after(20s);
  while (manager.number_of_objects() != 0 && !deadline.passed()) {
  }
  EXPECT_EQ(manager.number_of_objects(), 0u);
}

TEST_F(ManagerTest, UnknownTypesAndMethodsAreRefused) {
  EXPECT_EQ(type_of([&] { (void)manager_.create("teleport"); }), "KeyError");
  EXPECT_EQ(type_of([&] { (void)manager_.list().call("teleport"); }), "AttributeError");
  EXPECT_EQ(type_of([&] { (void)manager_.list().call("append"); }), "TypeError");
  EXPECT_EQ(type_of([&] { (void)manager_.dict().call("__setitem__", std::vector<int>{1}, 1); }), "TypeError");
  EXPECT_EQ(type_of([&] {
              (void)manager_.list().call_by_name("sort", Object::tuple(),
                                                 Object::dict({{"key", Object::name("builtins", "len")}}));
            }),
            "TypeError");
  EXPECT_THROW((void)Proxy().call("x"), UsageError);
}

TEST(ManagerConnection, IsSharedByAllWhoUseTheServer) {
  ServerThread server;
  const auto a = Manager::connect(server.address(), kKey), b = Manager::connect(server.address(), kKey);
  const auto list = a.list<int>({1});
  EXPECT_THAT(b.list<ListProxy<int>>({list})[0].values(), ElementsAre(1));
  EXPECT_THROW((void)Manager::connect(server.address(), "wrong"), AuthenticationError);
}

TEST(ManagerConnection, TellsThoseWhoWaitThatTheServerEnds) {
  auto server = std::make_unique<ServerThread>();
  const auto manager = Manager::connect(server->address(), kKey);
  const auto queue = manager.queue<int>();
  auto waits = queue.call_async<int>("get");
  server.reset();
  try {
    (void)waits.get();
    FAIL() << "it has an answer";
  } catch (const Closed& error) {
    EXPECT_THAT(error.what(), HasSubstr("shut down"));
  }
  EXPECT_THROW(queue.put(1), Closed);
  EXPECT_THROW((void)manager.list(), Closed);
}

}  // namespace
}  // namespace polyproc::testing
