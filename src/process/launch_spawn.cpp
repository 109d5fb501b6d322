// SPDX-License-Identifier: MIT
// The child is this program started anew from /proc/self/exe, which leads to the running image also when its file was
// replaced or deleted.
#include <spawn.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <span>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>

#include "arena/arena_core.hpp"
#include "process/child_table.hpp"
#include "process/file_actions.hpp"
#include "process/launch.hpp"
#include "process/program.hpp"
#include "process/spawn_message.hpp"

namespace polyproc::inline v0 {
namespace {

pid_t spawn(const SpawnCommand& command, const FileActions& actions, const std::string& name) {
  std::string program = own_program().argv0;
  std::string marker = command.to_argument();
  std::array<char*, 3> arguments{program.data(), marker.data(), nullptr};
  pid_t child = 0;
  const int error = ::posix_spawn(&child, kOwnImage, actions.get(), nullptr, arguments.data(), environ);
  if (error != 0) os::throw_os_error(error, fmt::format("starting {} by spawn", name), kOwnImage);
  return child;
}

}  // namespace

Launched launch_by_spawn(const ProcessTarget& target, const ChildRole& role, std::span<const int> inherited) {
  Launched child;
  os::Fd reading_end;
  if (role.daemon) {
    child.life_line = life_line();
    reading_end = child.life_line->reading_end();
  }
  Encoder arguments;
  target.encode(arguments);
  Encoder call;
  write_role(call, role);
  call.write_count(static_cast<std::uint64_t>(reading_end.get() + 1));
  call.write_count(arguments.descriptors().size());
  for (const int fd : arguments.descriptors()) call.write_count(static_cast<std::uint64_t>(fd));
  call.write(arguments.bytes());
  child.kept = arguments.named_blocks();
  const BlockRef message = make_message(call);

  SentinelReserve reserve;
  ArenaCore& core = Arena::family().core();
  try {
    const auto no_forks = hold_off_forks();
    const Embryo embryo = core.prepare_child(offsets_of(arguments.family_blocks(), message));
    child.embryos.push_back({core.weak_from_this(), embryo.identity});
    FileActions actions;
    actions.keep_open(embryo.claim.get());
    if (reading_end) actions.keep_open(reading_end.get());
    for (const int fd : inherited) actions.keep_open(fd);
    for (const int fd : arguments.descriptors()) actions.keep_open(fd);
    child.pid = spawn({embryo.claim.get(), embryo.identity, message.handle()}, actions, role.name);
    POLYPROC_FAIL_POINT("process.spawned");
  } catch (...) {
    recover_after(child.embryos);
    throw;
  }
  reserve.open_for(child);
  return child;
}

}  // namespace polyproc::inline v0
