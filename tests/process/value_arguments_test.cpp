// SPDX-License-Identifier: MIT
// Arguments of every kind of value, and shared objects inside them and inside items of queues, under every start method.
#include <polyproc/channel/queue.hpp>
#include <polyproc/shared/value.hpp>
#include <polyproc/sync/lock.hpp>

#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "support/start_methods.hpp"

namespace polyproc::testing {
namespace {

class ValueArguments : public EachMethod {};

struct Job {
  std::string name;
  std::vector<std::optional<int>> numbers;
  Value<int> total;
  Queue<std::string> said;
};

void work(const Job& job, const std::set<std::string>& words, const std::variant<int, std::string>& either,
          const Object& any) {
  Value<int> total = job.total;
  const std::scoped_lock guard(total.get_lock());
  for (const auto& number : job.numbers) total = total + number.value_or(100);
  Queue<std::string> said = job.said;
  said.put(job.name + " " + std::to_string(words.size()) + " " + std::get<std::string>(either) + " " +
           any.repr());
}

TEST_P(ValueArguments, ArriveWithTheSharedObjectsInThem) {
  const Job job{"sum", {1, std::nullopt, 2}, Value<int>(0), Queue<std::string>()};
  Object list = Object::list();
  list.append(Object(1));
  list.append(Object("x"));
  Process child =
      started(work, job, std::set<std::string>{"a", "b"}, std::variant<int, std::string>("text"), list);
  Queue<std::string> said = job.said;
  EXPECT_EQ(take(said), "sum 2 text [1, 'x']");
  expect_done(child);
  EXPECT_EQ(job.total, 103);
}

void answer_each(Queue<Job> jobs) {
  for (Job& job : jobs) {
    job.total = static_cast<int>(job.numbers.size());
    job.said.put("done: " + job.name);
  }
}

TEST_P(ValueArguments, AndItemsWithSharedObjectsInThem) {
  Queue<Job> jobs;
  Process child = started(answer_each, jobs);
  const Job first{"one", {1}, Value<int>(0), Queue<std::string>()};
  const Job second{"two", {1, 2}, Value<int>(0), Queue<std::string>()};
  jobs.put(first);
  jobs.put(second);
  for (Job job : {first, second}) {
    EXPECT_EQ(take(job.said), "done: " + job.name);
    EXPECT_EQ(job.total, static_cast<int>(job.numbers.size()));
  }
  jobs.shutdown();
  expect_done(child);
}

void send_one(Queue<Queue<int>> queues) {
  Queue<int> mine;
  mine.put(42);
  queues.put(mine);
}

TEST_P(ValueArguments, AnObjectInAnItemOutlivesItsMaker) {
  Queue<Queue<int>> queues;
  Process child = started(send_one, queues);
  expect_done(child);
  Arena::family().recover();
  auto queue = queues.get_for(kLong);
  ASSERT_TRUE(queue);
  EXPECT_EQ(queue->get_for(kLong), 42);
}

POLYPROC_EACH_METHOD(ValueArguments);

}  // namespace
}  // namespace polyproc::testing
