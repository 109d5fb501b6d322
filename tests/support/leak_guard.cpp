// SPDX-License-Identifier: MIT
// How leftovers are found: the kernel is asked (waitid, /proc), never the library under test.
#include "support/leak_guard.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include "arena/fork.hpp"

namespace polyproc::testing {
namespace {

namespace fs = std::filesystem;
using Names = std::set<std::string>;

// What the library keeps open for as long as the process lives: its arena and the locks on it.
constexpr std::array<std::string_view, 1> kKeptDescriptors{"/memfd:polyproc"};
constexpr const char* kFolderVariable = "POLYPROC_DIR";
constexpr std::string_view kFolderPrefix = "/dev/shm/polyproc-test-";
constexpr int kSecondsToDie = 10;

fs::path named_arena_folder() {
  const char* folder = std::getenv(kFolderVariable);
  return folder == nullptr ? "" : folder;
}

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

Names named_arenas() {
  Names found;
  std::error_code unreadable;
  for (const auto& entry : fs::directory_iterator(named_arena_folder(), unreadable)) {
    found.insert(entry.path().filename().string());
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

bool is_number(std::string_view text) {
  return text.find_first_not_of("0123456789") == std::string_view::npos;
}

// Living processes of our process group that run this program: descendants, also those that lost their parent.
std::set<pid_t> living_descendants() {
  std::set<pid_t> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    if (!is_number(name) || name == std::to_string(::getpid())) continue;
    const ProcessState process = read_state(entry.path());
    if (process.group != ::getpgrp() || process.state == 'Z' || process.state == 'X') continue;
    if (same_program(entry.path())) found.insert(static_cast<pid_t>(std::stol(name)));
  }
  return found;
}

// Those that are about to end, as daemons of a killed parent are, have a second for it.
std::set<pid_t> stubborn_descendants() {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  for (;;) {
    auto living = living_descendants();
    if (living.empty() || std::chrono::steady_clock::now() >= end) return living;
    ::sched_yield();
  }
}

// Looks without reaping, so that the message can name the child; 0 for one that runs, -1 for none.
pid_t unreaped_child() {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == -1 ? -1 : info.si_pid;
}

// Kills a process and returns when it is gone, be it our child or not.
void end_process(pid_t pid) {
  const int sentinel = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (sentinel == -1) return;
  ::kill(pid, SIGKILL);
  pollfd ended{sentinel, POLLIN, 0};
  ::poll(&ended, 1, kSecondsToDie * 1000);
  ::close(sentinel);
}

void add_new(Names& result, std::string_view what, const Names& before, const Names& after) {
  for (const auto& name : after) {
    if (!before.contains(name)) result.insert(std::string(what) + " " + name);
  }
}

// The parent of daemons keeps the writing end of one pipe for good, by whose closing they learn of its death. The first
// such descriptor that appears is taken for it; no other is.
bool is_life_line(const std::string& descriptor) {
  static std::string known;
  if (descriptor == known) return true;
  if (!known.empty() || descriptor.find(" -> pipe:") == std::string::npos) return false;
  const int flags = ::fcntl(std::stoi(descriptor), F_GETFL);
  if (flags == -1 || (flags & O_ACCMODE) != O_WRONLY) return false;
  known = descriptor;
  return true;
}

class LeakListener : public ::testing::EmptyTestEventListener {
  void OnTestStart(const ::testing::TestInfo&) override { guard_ = LeakGuard(); }

  void OnTestEnd(const ::testing::TestInfo& test) override {
    for (const auto& leftover : guard_.leftovers()) {
      ADD_FAILURE() << test.test_suite_name() << "." << test.name() << " left behind: " << leftover;
    }
    LeakGuard::end_descendants();
  }

  LeakGuard guard_;
};

// Removes the folders of test programs that were killed; the name goes on with the program's process id.
void remove_stale_folders() {
  std::error_code gone;
  for (const auto& entry : fs::directory_iterator("/dev/shm", gone)) {
    const std::string path = entry.path().string();
    if (!path.starts_with(kFolderPrefix)) continue;
    const int owner = std::atoi(path.c_str() + kFolderPrefix.size());
    if (owner > 0 && ::kill(owner, 0) == -1 && errno == ESRCH) fs::remove_all(entry.path(), gone);
  }
}

// A folder of our own for named arenas: test programs that run at the same time do not see each other's.
class ArenaFolder : public ::testing::Environment {
  void SetUp() override {
    remove_stale_folders();
    path_ = std::string(kFolderPrefix) + std::to_string(::getpid()) + "-XXXXXX";
    ASSERT_NE(::mkdtemp(path_.data()), nullptr) << "no folder " << path_;
    ::setenv(kFolderVariable, path_.c_str(), 1);
  }
  void TearDown() override {
    std::error_code gone;
    fs::remove_all(path_, gone);
  }

  std::string path_;
};

}  // namespace

LeakGuard::LeakGuard() : descriptors_(open_descriptors()), named_arenas_(named_arenas()) {}

Names LeakGuard::leftovers() const {
  Names result;
  close_links();  // kept from one use to the next
  Names descriptors = open_descriptors();
  std::erase_if(descriptors,
                [&](const auto& each) { return !descriptors_.contains(each) && is_life_line(each); });
  add_new(result, "descriptor", descriptors_, descriptors);
  add_new(result, "named arena", named_arenas_, named_arenas());
  for (const pid_t pid : stubborn_descendants()) result.insert("process " + std::to_string(pid));
  const pid_t child = unreaped_child();
  if (child == 0) result.insert("a running child");
  if (child > 0) result.insert("zombie " + std::to_string(child));
  return result;
}

void LeakGuard::end_descendants() {
  for (const pid_t pid : living_descendants()) end_process(pid);
  // A child that is none of ours (another program) may run on; only what has ended is reaped.
  for (pid_t child = unreaped_child(); child > 0; child = unreaped_child()) ::waitpid(child, nullptr, 0);
}

void install_leak_guard() {
  // A group of our own makes descendants recognisable; a group leader has one already. Outside the terminal's group an
  // interrupt no longer arrives, so the end of ctest must end us.
  if (::getpgrp() != ::getpid()) {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  }
  ::testing::UnitTest::GetInstance()->listeners().Append(new LeakListener);
  ::testing::AddGlobalTestEnvironment(new ArenaFolder);
}

}  // namespace polyproc::testing
