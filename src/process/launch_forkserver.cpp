// SPDX-License-Identifier: MIT
// The call is written down as for spawn, and held by a place in the arena that is alive through a descriptor, which goes to
// the child by way of the fork server.
#include <atomic>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/os/error.hpp>

#include "arena/arena_core.hpp"
#include "os/futex.hpp"
#include "process/child_table.hpp"
#include "process/fork_server.hpp"
#include "process/launch.hpp"
#include "process/spawn_message.hpp"

namespace polyproc::inline v0 {
namespace {

constexpr int kMostServers = 3;  // that may end while they make one child
constexpr std::chrono::seconds kLongestWay{5};
constexpr std::chrono::milliseconds kLook{1};

// The server has ended without an answer. A child that it made, and that has not come to the call, holds the claim still:
// one that found the call withdrawn would end unknown to its parent. Withdrawing is safe at any time, so the bound
// concerns only a child that is stopped.
void wait_for_a_child_on_its_way(const ArenaCore& core, std::uint64_t escrow,
                                 const std::atomic<std::uint64_t>& call) {
  const Deadline end = Deadline::after(kLongestWay);
  while (call.load() == kCallOffered && core.alive(escrow) && !end.passed())
    os::futex_wait(call, static_cast<std::uint32_t>(kCallOffered), kLook);
}

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
  std::uint64_t escrow_identity = 0;
  try {
    Embryo escrow = core.prepare_child(offsets_of(call.family_blocks(), message));
    child.embryos.push_back({core.weak_from_this(), escrow.identity});
    std::vector<int> fds{escrow.claim.get()};
    if (reading_end) fds.push_back(reading_end.get());
    fds.insert(fds.end(), call.descriptors().begin(), call.descriptors().end());
    answer = ask_fork_server({escrow.identity, message.handle(), role.daemon ? 1u : 0u}, fds);
    escrow_identity = escrow.identity;
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
    auto& word = *reinterpret_cast<std::atomic<std::uint64_t>*>(message.data());
    wait_for_a_child_on_its_way(core, escrow_identity, word);
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
