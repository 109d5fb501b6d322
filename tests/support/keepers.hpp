// SPDX-License-Identifier: MIT
// The keepers of descriptors that a test, or a process that it made, starts: while this object lives they become children of the
// test when they leave their makers, so that it can find them, kill them, and see that they end.
#pragma once

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "arena/fork.hpp"
#include "channel/keeper.hpp"
#include "support/forked_child.hpp"

namespace polyproc::testing {

class Keepers {
 public:
  Keepers() { ::prctl(PR_SET_CHILD_SUBREAPER, 1); }
  Keepers(const Keepers&) = delete;
  Keepers& operator=(const Keepers&) = delete;
  ~Keepers() {
    close_links();
    EXPECT_TRUE(wait_until([] { return count() == 0; })) << "a keeper of descriptors runs on";
    for (const pid_t pid : all()) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
    }
    ::prctl(PR_SET_CHILD_SUBREAPER, 0);
  }

  // Those that run; those that have ended are reaped.
  [[nodiscard]] static std::vector<pid_t> all() {
    std::vector<pid_t> running;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const std::string name = entry.path().filename().string();
      if (name.find_first_not_of("0123456789") != std::string::npos || !is_ours(entry.path())) continue;
      const auto pid = static_cast<pid_t>(std::stol(name));
      if (::waitpid(pid, nullptr, WNOHANG) == 0) running.push_back(pid);
    }
    return running;
  }
  [[nodiscard]] static std::size_t count() { return all().size(); }
  // The only one.
  [[nodiscard]] static pid_t find() {
    const auto running = all();
    EXPECT_EQ(running.size(), 1u);
    return running.empty() ? -1 : running.front();
  }
  static void kill() {
    const pid_t pid = find();
    if (pid <= 0) return;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }

 private:
  // /proc/PID/stat: pid (name) state ppid ...
  static bool is_ours(const std::filesystem::path& folder) {
    std::ifstream file(folder / "stat");
    std::string line;
    std::getline(file, line);
    const auto begin = line.find('(');
    const auto end = line.rfind(") ");
    if (begin == std::string::npos || end == std::string::npos) return false;
    if (line.substr(begin + 1, end - begin - 1) != kKeeperName) return false;
    char state = '?';
    pid_t parent = 0;
    std::istringstream(line.substr(end + 2)) >> state >> parent;
    return parent == ::getpid();
  }
};

}  // namespace polyproc::testing
