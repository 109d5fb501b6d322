// SPDX-License-Identifier: MIT
#include "process/keeper_program.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>

#include "channel/keeper.hpp"
#include "channel/keeper_start.hpp"
#include "os/daemon.hpp"
#include "process/file_actions.hpp"
#include "process/program.hpp"

namespace polyproc::inline v0 {
namespace {

constexpr const char* kArgument = "--polyproc-keeper={},{}";
constexpr const char* kScan = "--polyproc-keeper=%d,%d%c";

void start_anew(int listener, int file) {
  FileActions actions;
  actions.keep_open(listener);
  actions.keep_open(file);
  std::string program = own_program().argv0;
  std::string argument = fmt::format(fmt::runtime(kArgument), listener, file);
  std::array<char*, 3> arguments{program.data(), argument.data(), nullptr};
  pid_t child = 0;
  const int error = ::posix_spawn(&child, kOwnImage, actions.get(), nullptr, arguments.data(), environ);
  if (error != 0) os::throw_os_error(error, "starting the keeper of descriptors", kOwnImage);
  os::join_daemon_maker(child, "the keeper of descriptors");
}

}  // namespace

void start_keepers_anew() noexcept { set_keeper_start(&start_anew); }

void run_if_keeper(const char* argument) noexcept {
  int listener = -1;
  int file = -1;
  char rest = 0;
  if (argument != nullptr && std::sscanf(argument, kScan, &listener, &file, &rest) == 2)
    run_keeper(listener, file);
}

}  // namespace polyproc::inline v0
