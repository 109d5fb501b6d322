// SPDX-License-Identifier: MIT
// What is particular to the fork server: its own life, its preload function, and the C library's state in its children.
// What all start methods do alike is tested with the others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/syscall.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "process/support.hpp"
#include "support/kill.hpp"

namespace polyproc::testing {
namespace {

using ::testing::HasSubstr;

class ForkServer : public ::testing::Test {
 protected:
  ForkServer() { Arena::family().recover(); }
  ~ForkServer() override {
    stop_fork_server();
    set_forkserver_preload(nullptr);
  }
  template <class... Call>
  static int run(Call&&... call) {
    Process p({.method = StartMethod::forkserver}, std::forward<Call>(call)...);
    p.start();
    EXPECT_TRUE(p.join_for(kLong));
    return p.exitcode().value_or(-1000);
  }
};

// A child of this process that was started with a message.
pid_t server_pid() {
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream file(entry.path() / "cmdline");
    std::string line;
    std::getline(file, line);
    std::ifstream stat(entry.path() / "stat");
    std::string fields;
    std::getline(stat, fields);
    const auto name_end = fields.rfind(") ");
    if (name_end == std::string::npos) continue;  // it has ended meanwhile
    const auto rest = fields.substr(name_end + 2);
    if (line.find("--polyproc-child=") != std::string::npos && std::stol(rest.substr(2)) == ::getpid())
      return static_cast<pid_t>(std::stol(name));
  }
  return -1;
}

void write_parents(Array<int> out) {
  out[0] = ::getppid();
  out[1] = parent_process()->pid();
  out[2] = parent_process()->is_alive() ? 1 : 0;
}

TEST_F(ForkServer, ChildrenAreTheRequestersOwn) {
  Array<int> seen(3);
  EXPECT_EQ(run(write_parents, seen), 0);
  EXPECT_THAT(std::vector<int>(seen.begin(), seen.end()), ::testing::ElementsAre(::getpid(), ::getpid(), 1));
}

TEST_F(ForkServer, IsStartedOnceAndStoppedAtTheEnd) {
  EXPECT_EQ(run([] {}), 0);
  const pid_t first = server_pid();
  ASSERT_GT(first, 0);
  EXPECT_EQ(run([] {}), 0);
  EXPECT_EQ(server_pid(), first);
  stop_fork_server();
  EXPECT_EQ(server_pid(), -1);
}

TEST_F(ForkServer, ThatIsKilledIsReportedAndReplaced) {
  EXPECT_EQ(run([] {}), 0);
  const pid_t first = server_pid();
  Queue<int> running, go_on;
  Process lives_on({.method = StartMethod::forkserver}, report_and_wait, running, go_on);
  lives_on.start();
  EXPECT_NE(take(running), 0);
  ASSERT_EQ(::kill(first, SIGKILL), 0);
  std::string reports;
  {
    set_diagnostic_sink([&](std::string_view text) { reports += text; });
    EXPECT_EQ(run([] {}), 0);
    set_diagnostic_sink({});
  }
  EXPECT_THAT(reports, HasSubstr("signal 9"));
  EXPECT_NE(server_pid(), first);
  go_on.put(1);
  EXPECT_TRUE(lives_on.join_for(kLong));
  EXPECT_EQ(lives_on.exitcode(), 0);
}

std::atomic<int> preloaded{0};
void preload_one() { preloaded = 1; }
void write_preloaded(Value<int> out) { out = preloaded.load(); }

TEST_F(ForkServer, ChildrenFindWhatWasPreloaded) {
  Value<int> seen(-1);
  set_forkserver_preload(&preload_one);
  EXPECT_EQ(run(write_preloaded, seen), 0);
  EXPECT_EQ(seen.get(), 1);
  EXPECT_EQ(preloaded, 0);
  EXPECT_THROW(set_forkserver_preload(&preload_one), UsageError) << "it runs already";
}

void preload_and_throw() { throw std::runtime_error("no such table"); }
void preload_and_leave_a_thread() {
  std::thread([] {
    for (;;) ::pause();
  }).detach();
}

TEST_F(ForkServer, WhatGoesWrongInPreloadIsThrownByTheStart) {
  for (const auto& [preload, what] : {std::pair(&preload_and_throw, "no such table"),
                                      std::pair(&preload_and_leave_a_thread, "threads running")}) {
    set_forkserver_preload(preload);
    Process p({.method = StartMethod::forkserver}, [] {});
    try {
      p.start();
      ADD_FAILURE() << what;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(what));
    }
    EXPECT_EQ(server_pid(), -1);
  }
}

// The C library must know the child's thread by its own number, and report its death to waiters for a robust mutex.
void lock_and_die(Array<pthread_mutex_t> mutex) {
  if (::pthread_mutex_lock(&mutex[0]) != 0) ::_exit(3);
  if (mutex[0].__data.__owner != static_cast<int>(::syscall(SYS_gettid))) ::_exit(4);
  ::raise(SIGKILL);
}

TEST_F(ForkServer, ChildrenReleaseRobustMutexesWhenTheyAreKilled) {
  Array<pthread_mutex_t> mutex(1);
  pthread_mutexattr_t attributes;
  ::pthread_mutexattr_init(&attributes);
  ::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  ::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  ::pthread_mutex_init(&mutex[0], &attributes);
  ::pthread_mutexattr_destroy(&attributes);
  EXPECT_EQ(run(lock_and_die, mutex), -SIGKILL);
  EXPECT_EQ(::pthread_mutex_trylock(&mutex[0]), EOWNERDEAD);
  ::pthread_mutex_consistent(&mutex[0]);
  ::pthread_mutex_unlock(&mutex[0]);
  ::pthread_mutex_destroy(&mutex[0]);
}

void use_threads(Value<int> out) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { out.atomic().fetch_add(1); });
  for (std::thread& thread : threads) thread.join();
}

TEST_F(ForkServer, ChildrenMayHaveThreads) {
  Value<int> counted(0);
  EXPECT_EQ(run(use_threads, counted), 0);
  EXPECT_EQ(counted.get(), 4);
}

void start_one_more(Value<int> out) {
  Process p({.method = StartMethod::forkserver}, write_preloaded, out);
  p.start();
  p.join();
  if (p.exitcode() != 0) exit_process(5);
}

TEST_F(ForkServer, ChildrenHaveForkServersOfTheirOwn) {
  Value<int> seen(-1);
  EXPECT_EQ(run(start_one_more, seen), 0);
  EXPECT_EQ(seen.get(), 0);
}

template <int N>
void preload_arm() {
  constexpr std::array kPoints{"forkserver.asked", "forkserver.forked", "forkserver.taken",
                               "forkserver.adopted"};
  os::arm_fail_point(kPoints.at(N), N < 2 ? 2 : 1);
}
void count(Value<int> counted) { counted.atomic().fetch_add(1); }

TEST_F(ForkServer, ThatDiesOverARequestHasTheCallMadeOnce) {
  POLYPROC_NEEDS_FAIL_POINTS();
  set_diagnostic_sink([](std::string_view) {});
  for (const auto preload : {&preload_arm<0>, &preload_arm<1>}) {
    set_forkserver_preload(preload);
    Value<int> counted(0);
    EXPECT_EQ(run(count, counted), 0);
    EXPECT_EQ(run(count, counted), 0) << "the server is killed over this one";
    EXPECT_EQ(counted.get(), 2);
    stop_fork_server();
  }
  set_diagnostic_sink({});
  Arena::family().recover();
  EXPECT_EQ(Arena::family().stats().processes, 1u);
  EXPECT_TRUE(Arena::family().check().clean());
}

TEST_F(ForkServer, ChildrenThatAreKilledOnTheirWayLeaveNothing) {
  POLYPROC_NEEDS_FAIL_POINTS();
  for (const auto preload : {&preload_arm<2>, &preload_arm<3>}) {
    set_forkserver_preload(preload);
    Value<int> counted(0);
    EXPECT_EQ(run(count, counted), -SIGKILL);
    EXPECT_EQ(counted.get(), 0);
    EXPECT_EQ(Arena::family().stats().processes, 2u);
    EXPECT_TRUE(Arena::family().check().clean());
    stop_fork_server();
  }
}

TEST_F(ForkServer, ManyThreadsStartChildrenAtOnce) {
  Value<int> counted(0);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 10; ++k) EXPECT_EQ(run([](Value<int> v) { v.atomic().fetch_add(1); }, counted), 0);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counted.get(), 40);
}

TEST_F(ForkServer, LeavesNothingOfManyChildren) {
  Array<int> large(100'000);
  const auto cycle = [&] {
    for (int i = 0; i < 20; ++i) EXPECT_EQ(run([](Array<int> a) { a[0] = 1; }, large), 0);
    Arena::family().recover();
    return Arena::family().stats();
  };
  const auto before = cycle();
  const auto after = cycle();
  EXPECT_EQ(after.blocks, before.blocks);
  EXPECT_EQ(after.processes, 2u);
  EXPECT_TRUE(Arena::family().check().clean());
}

}  // namespace
}  // namespace polyproc::testing
