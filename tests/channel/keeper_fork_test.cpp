// SPDX-License-Identifier: MIT
// Keepers of descriptors that are forks of the program which starts them: it did not call init.
#include <spawn.h>
#include <sys/wait.h>

#include <array>
#include <atomic>
#include <csignal>
#include <fstream>
#include <string>
#include <thread>

#include "channel/keeper_start.hpp"
#include "parcel_support.hpp"
#include "process/keeper_program.hpp"

namespace polyproc {
namespace {

using namespace testing;
using namespace std::chrono_literals;

// Meanwhile keepers are forks of the program that starts them.
class KeeperByFork : public Parcel {
 protected:
  KeeperByFork() { set_keeper_start(nullptr); }
  ~KeeperByFork() override { start_keepers_anew(); }
};

TEST_F(KeeperByFork, AConnectionOutlivesItsSender) {
  Ends queue(arena_);
  Pipe<int> pipe;
  ForkedChild sender([&] {
    queue.put(pipe.second);
    ::raise(SIGKILL);
  });
  EXPECT_EQ(sender.join(), -SIGKILL);
  pipe.second.close();
  queue.get().send(6);
  EXPECT_EQ(pipe.first.recv_for(kPatience), 6);
  expect_closed(pipe.first);
}

TEST_F(KeeperByFork, AProgramThatNeverCallsInitIsServed) {
  auto program = (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "plain_parcel").string();
  std::array<char*, 2> arguments{program.data(), nullptr};
  pid_t pid = 0;
  ASSERT_EQ(::posix_spawn(&pid, program.c_str(), nullptr, nullptr, arguments.data(), environ), 0);
  int status = 0;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
}

TEST_F(KeeperByFork, TheKeeperHasNothingOfItsMaker) {
  Queue<os::Fd> queue(arena_);
  const std::uint64_t processes = arena_.stats().processes;
  ::signal(SIGTERM, SIG_IGN);
  queue.put(event(1));
  ::signal(SIGTERM, SIG_DFL);
  const pid_t keeper = Keepers::find();
  const std::string folder = "/proc/" + std::to_string(keeper);
  std::ifstream maps(folder + "/maps");
  for (std::string line; std::getline(maps, line);)
    EXPECT_NE(line.substr(line.find(' ') + 4, 1), "s") << line;
  EXPECT_EQ(arena_.stats().processes, processes);
  expect_few_descriptors(folder);
  close_links();
  ::kill(keeper, SIGTERM);
  EXPECT_TRUE(wait_until([] { return Keepers::count() == 0; }));
}

TEST_F(KeeperByFork, SeveralThreadsMayRunInTheProgram) {
  Queue<os::Fd> queue(arena_);
  std::atomic<bool> over = false;
  std::thread other([&] {
    while (!over) std::string(1000, 'x').clear();
  });
  for (int i = 0; i < 10; ++i) {
    queue.put(event(2));
    EXPECT_EQ(value_of(queue.get()), 2u);
    close_links();
    EXPECT_TRUE(wait_until([] { return Keepers::count() == 0; }));
  }
  over = true;
  other.join();
}

}  // namespace
}  // namespace polyproc
