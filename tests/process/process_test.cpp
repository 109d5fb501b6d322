// SPDX-License-Identifier: MIT
// The life of a Process, under each start method.
#include <polyproc/process/process.hpp>

#include <gmock/gmock.h>
#include <poll.h>

#include <memory>
#include <thread>
#include <vector>

#include "process/support.hpp"

namespace polyproc::testing {
namespace {

using ::testing::HasSubstr;

class ProcessLife : public EachMethod {};

void write_squares(Array<int> squares, Value<int> sum) {
  for (std::size_t i = 0; i < squares.size(); ++i) squares[i] = static_cast<int>((i + 1) * (i + 1));
  for (const int square : squares) sum = sum + square;
}

TEST_P(ProcessLife, RunsAFunctionOnSharedObjects) {
  Array<int> squares(4);
  Value<int> sum(0);
  Process p(options(), write_squares, squares, sum);
  EXPECT_FALSE(p.is_alive());
  EXPECT_EQ(p.pid(), std::nullopt);
  EXPECT_EQ(p.exitcode(), std::nullopt);
  p.start();
  EXPECT_GT(p.pid(), 0);
  EXPECT_TRUE(p.join_for(kLong));
  EXPECT_EQ(p.exitcode(), 0);
  EXPECT_FALSE(p.is_alive());
  EXPECT_EQ(squares.to_vector(), (std::vector{1, 4, 9, 16}));
  EXPECT_EQ(sum.get(), 30);
}

TEST_P(ProcessLife, JoinEndsAtTheDeadlineAndNotBefore) {
  Queue<int> running, go_on;
  Process p(options(), report_and_wait, running, go_on);
  p.start();
  EXPECT_EQ(take(running), *p.pid());
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(p.join_for(kShort));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, kShort);
  EXPECT_FALSE(p.join_until(std::chrono::steady_clock::now()));
  EXPECT_FALSE(p.join_until(std::chrono::system_clock::now() + kShort));
  EXPECT_TRUE(p.is_alive());
  EXPECT_EQ(p.exitcode(), std::nullopt);
  go_on.put(1);
  p.join();
  EXPECT_EQ(p.exitcode(), 0);
}

TEST_P(ProcessLife, IsEndedBySignals) {
  using Send = void (ChildProcess::*)() const;
  const std::pair<Send, int> all[] = {{&ChildProcess::terminate, SIGTERM},
                                      {&ChildProcess::kill, SIGKILL},
                                      {&ChildProcess::interrupt, SIGINT}};
  for (const auto& [send, signal] : all) {
    Queue<int> running;
    Process p(options(), report_and_hang, running);
    p.start();
    EXPECT_NE(take(running), 0);
    (p.*send)();
    EXPECT_TRUE(p.join_for(kLong));
    EXPECT_EQ(p.exitcode(), -signal);
    (p.*send)();  // of one that has ended: nothing
  }
}

TEST_P(ProcessLife, SentinelIsReadableAtTheEnd) {
  Queue<int> running, go_on;
  Process p(options(), report_and_wait, running, go_on);
  p.start();
  EXPECT_NE(take(running), 0);
  pollfd sentinel{p.sentinel(), POLLIN, 0};
  EXPECT_EQ(::poll(&sentinel, 1, 0), 0);
  go_on.put(1);
  EXPECT_EQ(::poll(&sentinel, 1, 20000), 1);
  p.join();
  EXPECT_EQ(::poll(&sentinel, 1, 0), 1);
}

TEST_P(ProcessLife, SaysWhatIsNotAllowed) {
  Queue<int> running, go_on;
  Process p(options(), report_and_wait, running, go_on);
  EXPECT_THROW(p.join(), UsageError);
  EXPECT_THROW(p.terminate(), UsageError);
  EXPECT_THROW((void)p.sentinel(), UsageError);
  p.start();
  EXPECT_THROW(p.start(), UsageError);
  EXPECT_THROW(p.set_name("late"), UsageError);
  EXPECT_THROW(p.set_daemon(true), UsageError);
  EXPECT_NE(take(running), 0);
  EXPECT_THROW(p.close(), UsageError);
  go_on.put(1);
  p.join();
  EXPECT_THROW(p.start(), UsageError);
  p.close();
  EXPECT_THROW(p.join(), UsageError);
  EXPECT_THROW((void)p.exitcode(), UsageError);
  EXPECT_THROW(p.close(), UsageError);
  EXPECT_FALSE(p.name().empty());
}

TEST_P(ProcessLife, MovedFromThrowsAndTheOtherGoesOn) {
  Value<int> flag(0);
  Process first(options(), set_flag, flag);
  Process second = std::move(first);
  EXPECT_THROW((void)first.pid(), UsageError);  // NOLINT: what is tested
  EXPECT_THROW(first.start(), UsageError);
  second.start();
  second.join();
  EXPECT_EQ(flag.get(), 1);
}

TEST_P(ProcessLife, ADestroyedProcessRunsOnAndCanStillBeJoined) {
  Queue<int> running, go_on;
  {
    Process p(options(), report_and_wait, running, go_on);
    p.start();
  }
  const auto children = active_children();
  ASSERT_EQ(children.size(), 1u);
  EXPECT_EQ(take(running), *children[0].pid());
  EXPECT_TRUE(children[0].is_alive());
  go_on.put(1);
  children[0].join();
  EXPECT_EQ(children[0].exitcode(), 0);
  EXPECT_TRUE(active_children().empty());
}

TEST_P(ProcessLife, ManyThreadsMayJoinTheSameChild) {
  Queue<int> running, go_on;
  Process p(options(), report_and_wait, running, go_on);
  p.start();
  EXPECT_NE(take(running), 0);
  {
    std::vector<std::jthread> joiners;
    for (int i = 0; i < 4; ++i) joiners.emplace_back([&] { EXPECT_TRUE(p.join_for(kLong)); });
    go_on.put(1);
  }
  EXPECT_EQ(p.exitcode(), 0);
}

// What a killed child held is the arena's again when its end is seen, not at some later recovery.
TEST_P(ProcessLife, ReferencesOfAKilledChildReturnAtOnce) {
  const auto cycle = [] {
    Queue<int> running;
    Array<int> large(100000);
    Process p(
        options(), [](Queue<int>& q, Array<int>&) { report_and_hang(q); }, running, large);
    p.start();
    EXPECT_NE(take(running), 0);
    EXPECT_EQ(Arena::family().stats().processes, 2 + servers());
    p.kill();
    p.join();
    EXPECT_EQ(Arena::family().stats().processes, 1 + servers());
  };
  cycle();
  const auto before = Arena::family().stats();
  cycle();
  EXPECT_EQ(Arena::family().stats().blocks, before.blocks);
  EXPECT_EQ(Arena::family().stats().used, before.used);
  EXPECT_TRUE(Arena::family().check().clean());
}

TEST_P(ProcessLife, SignalsDoNotCutAJoinShort) {
  struct sigaction handler {
  }, old{};
  handler.sa_handler = [](int) {};
  ::sigaction(SIGALRM, &handler, &old);
  const itimerval often{{0, 1000}, {0, 1000}};
  const itimerval never{};
  Queue<int> running, go_on;
  Process p(options(), report_and_wait, running, go_on);
  p.start();
  EXPECT_NE(take(running), 0);
  ::setitimer(ITIMER_REAL, &often, nullptr);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(p.join_for(kShort));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, kShort);
  go_on.put(1);
  p.join();
  ::setitimer(ITIMER_REAL, &never, nullptr);
  ::sigaction(SIGALRM, &old, nullptr);
  EXPECT_EQ(p.exitcode(), 0);
}

POLYPROC_EACH_METHOD(ProcessLife);

TEST(ProcessByFork, TakesAnyCallable) {
  Value<int> result(0);
  const auto base = std::make_unique<int>(40);
  Process p([&, extra = std::make_unique<int>(2)] { result = *base + *extra; });
  p.start();
  p.join();
  EXPECT_EQ(result.get(), 42);
}

struct Counter {
  Value<int> total;
  void add(int amount) { total = total + amount; }
  int operator()() { return 0; }
};

TEST(ProcessByFork, TakesMemberFunctionsOfObjectsAndPointers) {
  Counter counter{Value<int>(1)};
  Process by_pointer(&Counter::add, &counter, 10);
  by_pointer.start();
  by_pointer.join();
  Process by_value(&Counter::add, counter, 100);
  by_value.start();
  by_value.join();
  EXPECT_EQ(counter.total.get(), 111);
}

TEST(ProcessByFork, TakesArgumentsThatCanOnlyBeMoved) {
  Value<int> result(0);
  Process p([](Value<int> out, std::unique_ptr<int> in) { out = *in; }, result, std::make_unique<int>(5));
  p.start();
  p.join();
  EXPECT_EQ(result.get(), 5);
}

TEST(ProcessByFork, TheChildSeesItselfAndMayNotJoinItself) {
  Value<int> right(0);
  Process* self = nullptr;
  Process p([&] {
    EXPECT_THROW(self->join(), UsageError);
    EXPECT_THROW((void)self->exitcode().value(), std::bad_optional_access);
    right = self->is_alive() && self->pid() == ::getpid() && self->name() == current_process().name();
  });
  self = &p;
  p.start();
  p.join();
  EXPECT_EQ(right.get(), 1);
  EXPECT_EQ(p.exitcode(), 0);
}

TEST(ProcessByFork, OtherProcessesMayNotUseIt) {
  Queue<int> running, go_on;
  Process p(report_and_wait, running, go_on);
  p.start();
  Process other([&] {
    EXPECT_THROW(p.join(), UsageError);
    EXPECT_THROW(p.kill(), UsageError);
    EXPECT_THROW((void)p.is_alive(), UsageError);
    EXPECT_TRUE(active_children().empty());
    if (::testing::Test::HasFailure()) exit_process(9);
  });
  other.start();
  other.join();
  EXPECT_EQ(other.exitcode(), 0);
  go_on.put(1);
  p.join();
}

TEST(ProcessByFork, AProcessMadeInTheParentCannotBeStartedByTheChild) {
  Process never([] {});
  Process p([&] {
    try {
      never.start();
    } catch (const UsageError&) {
      exit_process(3);
    }
  });
  p.start();
  p.join();
  EXPECT_EQ(p.exitcode(), 3);
}

TEST(StartMethod, HasThreeNames) {
  EXPECT_THAT(get_all_start_methods(), ::testing::ElementsAre("fork", "spawn", "forkserver"));
  EXPECT_EQ(get_start_method(), "fork");
  set_start_method("spawn");
  EXPECT_EQ(get_start_method(), "spawn");
  EXPECT_EQ(get_context().get_start_method(), "spawn");
  set_start_method(StartMethod::fork);
  try {
    set_start_method("teleport");
    ADD_FAILURE();
  } catch (const InvalidArgument& error) {
    EXPECT_THAT(error.what(), HasSubstr("'fork', 'spawn' and 'forkserver'"));
  }
  EXPECT_THROW((void)get_context("teleport"), InvalidArgument);
}

void write_method(Value<int> out) { out = static_cast<int>(parse_start_method(get_start_method())); }

TEST(StartMethod, IsInheritedByChildren) {
  for (const std::string& method : get_all_start_methods()) {
    set_start_method(method);
    Value<int> seen(-1);
    Process p(write_method, seen);
    p.start();
    p.join();
    EXPECT_EQ(seen.get(), static_cast<int>(parse_start_method(method)));
  }
  set_start_method("fork");
  stop_fork_server();
}

TEST(Context, MakesProcessesOfItsMethod) {
  int local = 0;
  Value<int> flag(0);
  for (const std::string& method : get_all_start_methods()) {
    flag = 0;
    Process p = get_context(method).process(set_flag, flag);
    p.start();
    p.join();
    EXPECT_EQ(flag.get(), 1);
    Process named = get_context(method).process({.name = "worker"}, set_flag, flag);
    EXPECT_EQ(named.name(), "worker");
  }
  stop_fork_server();
  Process capturing = get_context("spawn").process([&local] { ++local; });
  EXPECT_THROW(capturing.start(), UsageError);
  EXPECT_EQ(get_context("fork").cpu_count(), cpu_count());
  EXPECT_GE(cpu_count(), 1);
}

TEST(FixedMethods, Run) {
  Value<int> flag(0);
  ForkProcess forked([&] { flag = 1; });
  forked.start();
  forked.join();
  EXPECT_EQ(flag.get(), 1);
  flag = 0;
  SpawnProcess spawned(set_flag, flag);
  spawned.start();
  spawned.join();
  EXPECT_EQ(flag.get(), 1);
}

}  // namespace
}  // namespace polyproc::testing
