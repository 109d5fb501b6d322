// SPDX-License-Identifier: MIT
// How leftovers are found: the kernel is asked (waitid, /proc), never the library under test.
#include "support/leak_guard.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <string_view>

namespace polyproc::testing {
namespace {

namespace fs = std::filesystem;
using Names = std::set<std::string>;

// What the library keeps open for as long as the process lives: its arena and the locks on it.
constexpr std::array<std::string_view, 1> kKeptDescriptors{"/memfd:polyproc"};
constexpr std::string_view kSharedMemoryFolder = "/dev/shm";
constexpr std::string_view kSharedMemoryPrefix = "polyproc";

bool is_kept(std::string_view target) {
  return std::ranges::any_of(kKeptDescriptors, [&](auto kept) { return target.starts_with(kept); });
}

// "7 -> pipe:[4711]" for each open descriptor, without the one that lists them.
Names open_descriptors() {
  Names found;
  std::error_code gone;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    const fs::path target = fs::read_symlink(entry.path(), gone);
    if (gone || target.string().ends_with("/fd") || is_kept(target.string())) continue;
    found.insert(entry.path().filename().string() + " -> " + target.string());
  }
  return found;
}

Names shared_memory_names() {
  Names found;
  std::error_code unreadable;
  for (const auto& entry : fs::directory_iterator(kSharedMemoryFolder, unreadable)) {
    std::string name = entry.path().filename().string();
    if (name.starts_with(kSharedMemoryPrefix)) found.insert(std::move(name));
  }
  return found;
}

struct ProcessState {
  char state = '?';
  long group = -1;
};

// /proc/PID/stat: pid (name, which may hold anything) state ppid pgrp ...
ProcessState read_state(const fs::path& folder) {
  std::ifstream file(folder / "stat");
  std::string line;
  std::getline(file, line);
  const auto name_end = line.rfind(") ");
  ProcessState result;
  if (name_end == std::string::npos) return result;
  long parent = 0;
  std::istringstream rest(line.substr(name_end + 2));
  rest >> result.state >> parent >> result.group;
  return result;
}

bool same_program(const fs::path& folder) {
  std::error_code ignored;
  return fs::equivalent(folder / "exe", "/proc/self/exe", ignored) && !ignored;
}

// Living processes of our process group that run this program: descendants, also those that lost their parent.
Names living_descendants() {
  Names found;
  std::error_code gone;
  const std::string self = std::to_string(::getpid());
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string pid = entry.path().filename().string();
    if (pid == self || pid.find_first_not_of("0123456789") != std::string::npos) continue;
    const ProcessState process = read_state(entry.path());
    if (process.group != ::getpgrp() || process.state == 'Z' || process.state == 'X') continue;
    if (same_program(entry.path())) found.insert("process " + pid);
  }
  return found;
}

// Looks without reaping, so that the message can name the child.
std::string unreaped_child() {
  siginfo_t info{};
  if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == -1) return {};
  if (info.si_pid == 0) return "a running child";
  return "zombie " + std::to_string(info.si_pid);
}

Names added(const Names& before, const Names& after) {
  Names result;
  std::ranges::set_difference(after, before, std::inserter(result, result.end()));
  return result;
}

std::string joined(const Names& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

class LeakGuard : public ::testing::EmptyTestEventListener {
  void OnTestStart(const ::testing::TestInfo&) override {
    descriptors_ = open_descriptors();
    shared_memory_ = shared_memory_names();
  }

  void OnTestEnd(const ::testing::TestInfo&) override {
    EXPECT_EQ(unreaped_child(), "") << "a child process was left behind";
    EXPECT_EQ(joined(living_descendants()), "") << "processes were left behind";
    EXPECT_EQ(joined(added(descriptors_, open_descriptors())), "") << "descriptors were left open";
    EXPECT_EQ(joined(added(shared_memory_, shared_memory_names())), "") << "shared memory was left behind";
  }

  Names descriptors_;
  Names shared_memory_;
};

}  // namespace

void install_leak_guard() {
  // A group of our own makes descendants recognisable; a group leader has one already.
  if (::getpgrp() != ::getpid()) ::setpgid(0, 0);
  ::testing::UnitTest::GetInstance()->listeners().Append(new LeakGuard);
}

}  // namespace polyproc::testing
