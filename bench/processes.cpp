// SPDX-License-Identifier: MIT
// Processes that are started and joined, per second, each doing nothing.
//
// processes polyproc fork|spawn|forkserver [parent_mib=0]: of a parent that has touched so many MiB
// processes system fork|spawn: bare fork, and posix_spawn of an empty program
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <polyproc/process/context.hpp>
#include <polyproc/process/init.hpp>
#include <polyproc/process/process.hpp>

#include "harness.hpp"

extern char** environ;

namespace bench {
namespace {

void nothing() {}

void wait_for(pid_t pid) {
  int status = 0;
  check(::waitpid(pid, &status, 0) == pid, "waitpid");
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) throw std::runtime_error("a child failed");
}

void bare_fork() {
  const pid_t pid = ::fork();
  check(pid >= 0, "fork");
  if (pid == 0) ::_exit(0);
  wait_for(pid);
}

void bare_spawn(std::string& program) {
  char* argv[] = {program.data(), nullptr};
  pid_t pid = 0;
  errno = ::posix_spawn(&pid, program.c_str(), nullptr, nullptr, argv, environ);
  check(errno == 0, "posix_spawn");
  wait_for(pid);
}

void start_and_join(const polyproc::Context& context) {
  polyproc::Process process = context.process(nothing);
  process.start();
  process.join();
  if (process.exitcode() != 0) throw std::runtime_error("a child failed");
}

std::string empty_program() {
  std::string self(4096, '\0');
  const ssize_t length = ::readlink("/proc/self/exe", self.data(), self.size());
  check(length > 0, "readlink");
  self.resize(static_cast<std::size_t>(length));
  return self.substr(0, self.rfind('/')) + "/empty_program";
}

void run(const Arguments& arguments) {
  const bool ours = arguments.side() == "polyproc";
  if (!ours && arguments.side() != "system") throw std::invalid_argument("no such side");
  const bool spawns = arguments.what() == "spawn";
  std::string program = empty_program();
  if (!ours && spawns && ::access(program.c_str(), X_OK) != 0) throw Skip("empty_program was not built");
  const std::vector<char> ballast(arguments.count("parent_mib", 0) << 20, 'x');
  const polyproc::Context context = polyproc::get_context(arguments.what());
  const auto once = [&] {
    if (ours)
      start_and_join(context);
    else
      spawns ? bare_spawn(program) : bare_fork();
  };
  once();  // starts the fork server
  print_result(timed_rate(spawns ? 5 : 20, 2 * arguments.seconds(), once), "starts/s");
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  polyproc::init(argc, argv);
  return bench::run_program(argc, argv, bench::run);
}
