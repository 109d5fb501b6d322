// SPDX-License-Identifier: MIT
// The call is written down as for spawn, and held by a place in the arena that is alive through a descriptor, which goes to
// the child by way of the fork server.
#include <atomic>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/os/error.hpp>

#include "arena/arena_core.hpp"
#include "process/child_table.hpp"
#include "process/fork_server.hpp"
#include "process/launch.hpp"
#include "process/spawn_message.hpp"

namespace polyproc::inline v0 {
namespace {

constexpr int kMostServers = 3;  // that may end while they make one child

Encoder encode_call(const ProcessTarget& target, const ChildRole& role) {
  Encoder call;
  call.write_count(kCallOffered);
  write_role(call, role);
  target.encode(call);
  return call;
}

// Nothing: the server has ended, and no child of it makes this call.
std::optional<Launched> try_launch(const Encoder& call, const ChildRole& role) {
  Launched child;
  child.kept = call.named_blocks();
  os::Fd reading_end;
  if (role.daemon) {
    child.life_line = life_line();
    reading_end = child.life_line->reading_end();
  }
  const BlockRef message = make_message(call);
  SentinelReserve reserve;
  ArenaCore& core = Arena::family().core();
  std::optional<ForkAnswer> answer;
  try {
    Embryo escrow = core.prepare_child(offsets_of(call.family_blocks(), message));
    child.embryos.push_back({core.weak_from_this(), escrow.identity});
    std::vector<int> fds{escrow.claim.get()};
    if (reading_end) fds.push_back(reading_end.get());
    fds.insert(fds.end(), call.descriptors().begin(), call.descriptors().end());
    answer = ask_fork_server({escrow.identity, message.handle(), role.daemon ? 1u : 0u}, fds);
    escrow.claim.close();
    core.recover(escrow.identity);  // where the child has taken everything already
    if (answer && answer->pid == 0)
      throw Error(fmt::format("starting {} by forkserver: {}", role.name, answer->error.data()));
  } catch (...) {
    recover_after(child.embryos);
    throw;
  }
  if (answer) {
    child.pid = answer->pid;
    if (answer->identity != 0) child.embryos.push_back({core.weak_from_this(), answer->identity});
  } else {
    std::uint64_t state = kCallOffered;
    std::atomic_ref word(*reinterpret_cast<std::uint64_t*>(message.data()));
    if (word.compare_exchange_strong(state, kCallWithdrawn)) {
      recover_after(child.embryos);
      return std::nullopt;
    }
    child.pid = static_cast<pid_t>(state);
  }
  reserve.open_for(child);
  return child;
}

}  // namespace

Launched launch_by_forkserver(const ProcessTarget& target, const ChildRole& role) {
  const Encoder call = encode_call(target, role);
  for (int servers = 0; servers < kMostServers; ++servers) {
    if (auto child = try_launch(call, role)) return std::move(*child);
  }
  throw Error(fmt::format(
      "starting {} by forkserver: the server has ended {} times while it made the child; its reports say how",
      role.name, kMostServers));
}

}  // namespace polyproc::inline v0
