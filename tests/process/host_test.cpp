// SPDX-License-Identifier: MIT
// A host that has its own ways: it ignores or reaps children, forks by itself, runs threads, and lives within limits.
#include <gmock/gmock.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cstdio>
#include <future>
#include <thread>
#include <vector>

#include "os/sanitizer.hpp"
#include "process/support.hpp"

namespace polyproc::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class Host : public EachMethod {
 protected:
  static std::optional<int> run_one(ProcessOptions how = options()) {
    Value<int> flag(0);
    Process p(how, set_flag, flag);
    p.start();
    EXPECT_TRUE(p.join_for(kLong));
    EXPECT_EQ(flag.get(), 1);
    return p.exitcode();
  }
};

TEST_P(Host, ThatIgnoresSigchldGetsAnUnknownExitCode) {
  const auto old = ::signal(SIGCHLD, SIG_IGN);
  EXPECT_EQ(run_one(), kExitUnknown);
  Queue<int> running;
  Process hangs(options(), report_and_hang, running);
  hangs.start();
  EXPECT_NE(take(running), 0);
  EXPECT_TRUE(hangs.is_alive());
  EXPECT_FALSE(hangs.join_for(kShort));
  hangs.kill();
  hangs.join();
  EXPECT_EQ(hangs.exitcode(), kExitUnknown);
  ::signal(SIGCHLD, old);
  EXPECT_EQ(run_one(), 0);
}

TEST_P(Host, ThatReapsEveryChildGetsAnUnknownExitCode) {
  Value<int> flag(0);
  Process p(options(), set_flag, flag);
  p.start();
  EXPECT_EQ(::waitpid(-1, nullptr, 0), *p.pid());
  EXPECT_FALSE(p.is_alive());
  p.join();
  p.terminate();
  EXPECT_EQ(p.exitcode(), kExitUnknown);
}

TEST_P(Host, KeepsItsOwnChildren) {
  HostFork own([] { return 3; });
  EXPECT_EQ(run_one(), 0);
  EXPECT_TRUE(active_children().empty());
  EXPECT_EQ(own.wait(), 3);
}

TEST_P(Host, MayForkByItself) {
  Queue<int> running, go_on;
  Process p(options(), report_and_wait, running, go_on);
  p.start();
  EXPECT_NE(take(running), 0);
  HostFork own([&] {
    if (!active_children().empty()) return 1;
    try {
      p.join();
      return 2;
    } catch (const UsageError&) {
    }
    return run_one() == 0 ? 0 : 3;
  });
  EXPECT_EQ(own.wait(), 0);
  EXPECT_TRUE(p.is_alive());
  go_on.put(1);
  p.join();
  EXPECT_EQ(p.exitcode(), 0);
}

TEST_P(Host, MayUsePopen) {
  Queue<int> running, go_on;
  Process p(options(), report_and_wait, running, go_on);
  p.start();
  EXPECT_NE(take(running), 0);
  FILE* command = ::popen("ls -l /proc/self/fd", "r");
  ASSERT_NE(command, nullptr);
  std::string listing;
  char line[256];
  while (std::fgets(line, sizeof line, command) != nullptr) listing += line;
  EXPECT_EQ(::pclose(command), 0);
  EXPECT_THAT(listing, ::testing::Not(HasSubstr("memfd:polyproc")));
  EXPECT_THAT(listing, ::testing::Not(HasSubstr("pidfd")));
  go_on.put(1);
  p.join();
  EXPECT_EQ(p.exitcode(), 0);
  EXPECT_EQ(Arena::family().stats().processes, 1 + servers());
}

// Leaves `spare` descriptors below the limit.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(std::size_t spare) {
    ::getrlimit(RLIMIT_NOFILE, &old_);
    rlimit lower = old_;
    lower.rlim_cur = 64;
    ::setrlimit(RLIMIT_NOFILE, &lower);
    for (int fd = 0; (fd = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)) >= 0;) taken_.push_back(fd);
    for (std::size_t i = 0; i < spare && !taken_.empty(); ++i) {
      ::close(taken_.back());
      taken_.pop_back();
    }
  }
  DescriptorLimit(const DescriptorLimit&) = delete;
  DescriptorLimit& operator=(const DescriptorLimit&) = delete;
  ~DescriptorLimit() {
    for (const int fd : taken_) ::close(fd);
    ::setrlimit(RLIMIT_NOFILE, &old_);
  }

 private:
  rlimit old_{};
  std::vector<int> taken_;
};

TEST_P(Host, AtItsDescriptorLimitGetsAnError) {
  // The undefined-behaviour sanitizer opens a pipe when it meets a class for the first time: let it meet them all.
  EXPECT_EQ(run_one(daemon_options()), 0);
  EXPECT_THROW(os::throw_os_error(EMFILE, "open", "nothing"), OsError);
  Value<int> flag(0);
  bool started = false;
  for (std::size_t spare = 0; spare < 8; ++spare) {
    flag = 0;
    Process p({.daemon = spare % 2 == 1, .method = GetParam()}, set_flag, flag);
    const DescriptorLimit limit(spare);
    try {
      p.start();
      p.join();
      started = true;
      // A new program needs descriptors of its own to load its libraries.
      if (GetParam() == StartMethod::fork) {
        EXPECT_EQ(p.exitcode(), 0) << spare;
      }
    } catch (const OsError& error) {
      EXPECT_EQ(error.code(), EMFILE);
      EXPECT_EQ(flag.get(), 0);
      EXPECT_LT(spare, 5u);
    }
    EXPECT_EQ(Arena::family().stats().processes, 1 + servers()) << spare;
  }
  EXPECT_TRUE(started);
  EXPECT_EQ(run_one(), 0);
  EXPECT_TRUE(Arena::family().check().clean());
}

TEST_P(Host, AtItsProcessLimitGetsAnError) {
  Value<int> flag(0);
  HostFork other([&] {
    // The limit does not bind root.
    if (::setresgid(65534, 65534, 65534) != 0 || ::setresuid(65534, 65534, 65534) != 0) return 77;
    ::prctl(PR_SET_DUMPABLE, 1);
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_NPROC, &none);
    try {
      Process p(options(), set_flag, flag);
      p.start();
    } catch (const OsError& error) {
      return error.code() == EAGAIN && active_children().empty() && Arena::family().stats().processes == 2
                 ? 0
                 : 2;
    }
    return 1;
  });
  const int code = other.wait();
  if (code == 77) GTEST_SKIP() << "needs to be root";
  EXPECT_EQ(code, 0);
  EXPECT_EQ(flag.get(), 0);
  Arena::family().recover();
}

POLYPROC_EACH_METHOD(Host);

class Warnings : public ::testing::Test {
 protected:
  Warnings() {
    set_diagnostic_sink([this](std::string_view message) { messages_.emplace_back(message); });
  }
  ~Warnings() override { set_diagnostic_sink({}); }
  std::vector<std::string> messages_;
};

TEST_F(Warnings, ForkBesideAThreadIsWarnedOf) {
  std::promise<void> end;
  std::jthread other([ended = end.get_future()] { ended.wait(); });
  Process p({.name = "late"}, [] {});
  p.start();
  end.set_value();
  p.join();
  ASSERT_THAT(messages_, SizeIs(1));
  EXPECT_THAT(messages_[0], HasSubstr("late is forked while"));
}

TEST_F(Warnings, SpawnBesideAThreadIsFine) {
  std::promise<void> end;
  std::jthread other([ended = end.get_future()] { ended.wait(); });
  Process p({.method = StartMethod::spawn}, [] {});
  p.start();
  end.set_value();
  p.join();
  EXPECT_EQ(p.exitcode(), 0);
  EXPECT_THAT(messages_, IsEmpty());
}

#if !defined(POLYPROC_THREAD_SANITIZER)  // which runs a thread of its own
TEST_F(Warnings, ForkAloneIsFine) {
  Process p([] {});
  p.start();
  p.join();
  EXPECT_THAT(messages_, IsEmpty());
}
#endif

TEST(Diagnostics, AThrowingSinkIsHarmless) {
  set_diagnostic_sink([](std::string_view) { throw 1; });
  os::diagnose("nobody hears this");
  set_diagnostic_sink({});
}

TEST(StressProcess, ThreadsStartSpawnedProcessesAtOnce) {
  Value<int> count(0);
  {
    std::vector<std::jthread> starters;
    for (int i = 0; i < 4; ++i) {
      starters.emplace_back([&] {
        for (int j = 0; j < 5; ++j) {
          SpawnProcess p([](Value<int>& total) { total.atomic().fetch_add(1); }, count);
          p.start();
          EXPECT_TRUE(p.join_for(kLong));
          EXPECT_EQ(p.exitcode(), 0);
        }
      });
    }
  }
  EXPECT_EQ(count.get(), 20);
  EXPECT_EQ(Arena::family().stats().processes, 1u);
}

}  // namespace
}  // namespace polyproc::testing
