// SPDX-License-Identifier: MIT
// A spawned child begins here: before its static objects are made it takes the place in the family's arena that its
// parent made for it; in init() it makes the call that it was started for.
#include <polyproc/process/init.hpp>

#include <sys/prctl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/os/diagnostics.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/process/exit.hpp>
#include <polyproc/process/target.hpp>

#include "arena/arena_core.hpp"
#include "arena/create.hpp"
#include "process/bootstrap.hpp"
#include "process/keeper_program.hpp"
#include "process/launch.hpp"
#include "process/life_line.hpp"
#include "process/program.hpp"
#include "process/spawn_message.hpp"

namespace polyproc::inline v0 {
namespace {

// /proc/self/exe has left "exe" as the name that ps shows.
void restore_name(const char* argv0) noexcept {
  const char* slash = std::strrchr(argv0, '/');
  ::prctl(PR_SET_NAME, slash != nullptr ? slash + 1 : argv0);
}

// Set in a spawned child.
struct Arrival {
  std::optional<SpawnCommand> command;
  std::exception_ptr failure;
};
Arrival& arrival() noexcept {
  static Arrival& one = *new Arrival;
  return one;
}

void join_family_of(const SpawnCommand& command) {
  LockFd claim = LockFd::open([&] { return take_over(command.arena_fd); });
  auto region = open_region(reopen_file(claim.get()), "anonymous arena", false);
  auto core = ArenaCore::attach_as(std::move(region), std::move(claim), command.identity);
  join_family(std::move(core));
}

// Before the program's static objects are made, since these may be shared objects: they belong into the family's arena.
[[gnu::constructor(101)]] void join_family_early(int argc, char** argv) noexcept {
  if (argc != 2) return;
  run_if_keeper(argv[1]);
  try {
    arrival().command = SpawnCommand::parse(argv[1]);
    if (arrival().command) join_family_of(*arrival().command);
  } catch (...) {
    arrival().failure = std::current_exception();  // init reports it
  }
}

// The message is given up when it has been read.
std::unique_ptr<ProcessTarget> receive_call(const Arrival& child) {
  if (child.failure) std::rethrow_exception(child.failure);
  const BlockRef message = BlockRef::open(child.command->message, BlockKind::process_message, {});
  Decoder in({message.data(), message.size()});
  become(read_role(in));
  if (const std::uint64_t life_line = in.read_count(); life_line != 0)
    die_with_parent(take_over(static_cast<int>(life_line) - 1));
  std::vector<os::Fd> descriptors(in.read_length(sizeof(std::uint64_t)));
  for (os::Fd& fd : descriptors) fd = take_over(static_cast<int>(in.read_count()));
  in.set_descriptors(std::move(descriptors));
  auto target = read_target(in);
  Arena::family().core().drop_unadopted();
  return target;
}

}  // namespace

Program& own_program() noexcept {
  static Program& one = *new Program;
  return one;
}

bool spawn_is_possible() noexcept { return own_program().initialised; }

void init(int argc, char* const* argv) {
  Program& program = own_program();
  program.argv0 = argc > 0 ? argv[0] : "";
  program.initialised = true;
  start_keepers_anew();
  if (!arrival().command) return;
  restore_name(program.argv0.c_str());
  std::exit(run_child([] { receive_call(arrival())->run(); }));
}

}  // namespace polyproc::inline v0
