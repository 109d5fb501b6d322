// SPDX-License-Identifier: MIT
// How children end, and what a program's own end does to them.
#include <polyproc/process/exit.hpp>

#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <stdexcept>

#include "process/support.hpp"
#include "support/refusals.hpp"

namespace polyproc::testing {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

class ProcessExitCode : public EachMethod {
 protected:
  template <class... Call>
  static std::optional<int> code_of(Call... call) {
    Process p(options(), call...);
    p.start();
    p.join();
    return p.exitcode();
  }
  // With what the child wrote to standard error.
  template <class... Call>
  static std::pair<std::optional<int>, std::string> code_and_text_of(Call... call) {
    ::testing::internal::CaptureStderr();
    const auto code = code_of(call...);
    return {code, ::testing::internal::GetCapturedStderr()};
  }
};

struct Destroyed {
  Value<int>& flag;
  ~Destroyed() { flag = 1; }
};

void exit_from_inside(Value<int> flag, int code) {
  const Destroyed guard{flag};
  exit_process(code);
}

TEST_P(ProcessExitCode, IsWhatTheChildAskedFor) {
  Value<int> flag(0);
  EXPECT_EQ(code_of(exit_from_inside, flag, 7), 7);
  EXPECT_EQ(flag.get(), 1) << "the stack was not unwound";
  EXPECT_EQ(code_of(exit_from_inside, flag, 258), 2);
  EXPECT_EQ(code_of([] { ::_exit(5); }), 5);
  EXPECT_EQ(code_of([] { return 6; }), 0);
}

TEST_P(ProcessExitCode, IsTheSignalNegated) {
  EXPECT_EQ(code_of([] { ::raise(SIGKILL); }), -SIGKILL);
  EXPECT_EQ(code_of([] { ::raise(SIGTERM); }), -SIGTERM);
}

TEST_P(ProcessExitCode, IsOneAfterAnException) {
  const auto [code, text] = code_and_text_of([] { throw std::out_of_range("no such order"); });
  EXPECT_EQ(code, kExitFailed);
  EXPECT_THAT(
      text,
      ContainsRegex("Process Process-[0-9]+ \\(pid [0-9]+\\): uncaught std::out_of_range: no such order\n$"));
}

TEST_P(ProcessExitCode, IsOneAfterAnythingThrown) {
  const auto [code, text] = code_and_text_of([] { throw 5; });
  EXPECT_EQ(code, kExitFailed);
  EXPECT_THAT(text, ContainsRegex("Process Process-[0-9]+ \\(pid [0-9]+\\): uncaught int\n$"));
}

POLYPROC_EACH_METHOD(ProcessExitCode);

TEST(ProcessExitCode, ExitProcessIsForChildren) { EXPECT_THROW(exit_process(1), UsageError); }

TEST(ProcessExitCode, TheSinkOfTheParentServesForkedChildren) {
  Queue<std::string> messages;
  set_diagnostic_sink([&](std::string_view message) { messages.put(std::string(message)); });
  Process p({.name = "p1"}, [] { throw std::runtime_error("lost"); });
  p.start();
  p.join();
  set_diagnostic_sink({});
  EXPECT_THAT(take(messages), HasSubstr("Process p1 (pid " + std::to_string(*p.pid()) +
                                        "): uncaught std::runtime_error: lost"));
}

// Its claim to be alive could not be mapped: it runs nothing, and says why.
TEST(ProcessExitCode, IsOneOfAForkedChildThatCannotTakeItsPlace) {
  Value<int> flag(0);
  Queue<std::string> messages;
  HostFork parent([&] {
    if (!refuse({SYS_mmap, 3, MAP_SHARED, ENOMEM})) return 50;
    // The child cannot use a shared object to tell.
    int ends[2];
    if (::pipe(ends) != 0) return 51;
    set_diagnostic_sink([&](std::string_view text) { (void)!::write(ends[1], text.data(), text.size()); });
    Process p({.name = "p1"}, [&] { flag = 1; });
    p.start();
    p.join();
    ::close(ends[1]);
    char text[500] = {};
    (void)!::read(ends[0], text, sizeof text - 1);
    messages.put(text);
    return *p.exitcode();
  });
  EXPECT_EQ(parent.wait(), kExitFailed);
  EXPECT_THAT(take(messages), AllOf(HasSubstr("Process p1"), HasSubstr("mapping")));
  EXPECT_EQ(flag.get(), 0);
}

class Output : public EachMethod {};

// Everything that the child and its forebear wrote to standard output, through a pipe.
std::string output_of(const std::function<int()>& act) {
  std::fflush(nullptr);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return "no pipe";
  HostFork program([&] {
    ::dup2(ends[1], STDOUT_FILENO);
    return act();
  });
  ::close(ends[1]);
  std::string text;
  char buffer[256];
  for (ssize_t got = 0; (got = ::read(ends[0], buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<std::size_t>(got));
  ::close(ends[0]);
  EXPECT_EQ(program.wait(), 0);
  return text;
}

TEST_P(Output, IsPrintedOnce) {
  const auto text = output_of([] {
    std::printf("before ");
    std::cout << "start, ";
    Process p(options(), [] {
      std::printf("in the ");
      std::cout << "child, ";
    });
    p.start();
    p.join();
    std::printf("after\n");
    std::fflush(stdout);
    return 0;
  });
  EXPECT_EQ(text, "before start, in the child, after\n");
}

POLYPROC_EACH_METHOD(Output);

class ProgramExit : public EachMethod {};

void wait_then_set(Queue<int>& running, Queue<int>& go_on, Value<int>& flag) {
  report_and_wait(running, go_on);
  flag = 1;
}

TEST_P(ProgramExit, JoinsChildrenAndTerminatesDaemons) {
  Queue<int> daemon_running, pids, running, go_on;
  Value<int> flag(0);
  HostFork program([&]() -> int {
    Process daemon(daemon_options(), report_and_hang, daemon_running);
    daemon.start();
    pids.put(take(daemon_running));
    Process child(options(), wait_then_set, running, go_on, flag);
    child.start();
    std::exit(0);  // with both never destroyed
  });
  const int daemon = take(pids);
  const int child = take(running);
  ASSERT_GT(daemon, 0);
  ASSERT_GT(child, 0);
  go_on.put(1);
  EXPECT_EQ(program.wait(), 0);
  EXPECT_EQ(flag.get(), 1);
  EXPECT_NE(::kill(daemon, 0), 0);
  EXPECT_NE(::kill(child, 0), 0);
}

void start_and_return(StartMethod method, Queue<int>& running, Queue<int>& go_on, Value<int>& flag) {
  Process inner({.method = method}, wait_then_set, running, go_on, flag);
  inner.start();
}

TEST_P(ProgramExit, OfAChildJoinsItsOwnChildren) {
  Queue<int> running, go_on;
  Value<int> flag(0);
  Process outer(options(), start_and_return, GetParam(), running, go_on, flag);
  outer.start();
  EXPECT_NE(take(running), 0);
  EXPECT_FALSE(outer.join_for(kShort));
  go_on.put(1);
  EXPECT_TRUE(outer.join_for(kLong));
  EXPECT_EQ(flag.get(), 1);
}

POLYPROC_EACH_METHOD(ProgramExit);

// Set by the destructor of a static object: it must not run in a forked child.
Value<int>* destroyed_in = nullptr;
struct Static {
  ~Static() {
    if (destroyed_in != nullptr) *destroyed_in = 1;
  }
} static_object;

TEST(ProgramExit, ForkedChildrenLeaveStaticObjectsAlone) {
  Value<int> flag(0);
  destroyed_in = &flag;
  Process p([] {});
  p.start();
  p.join();
  destroyed_in = nullptr;
  EXPECT_EQ(p.exitcode(), 0);
  EXPECT_EQ(flag.get(), 0);
}

}  // namespace
}  // namespace polyproc::testing
