// SPDX-License-Identifier: MIT
// The ways in which a child comes into being. All leave nothing behind when they throw.
#pragma once

#include <sys/types.h>

#include <memory>
#include <span>
#include <vector>

#include <polyproc/arena/block_ref.hpp>
#include <polyproc/os/fd.hpp>
#include <polyproc/process/target.hpp>

#include "arena/fork.hpp"
#include "process/life_line.hpp"
#include "process/this_process.hpp"

namespace polyproc::inline v0 {

// A child that runs, and what is kept for it until it has ended.
struct Launched {
  pid_t pid = 0;
  os::Fd sentinel;
  bool collected = false;  // it has ended, and somebody else has its exit code
  std::vector<ForkRecord::Embryo> embryos;
  std::vector<BlockRef> kept;  // arguments in named arenas: the child has to find them
  std::shared_ptr<LifeLine> life_line;
};

// Of threads, whose locks the child may find held: calls the diagnostic sink.
void warn_before_fork(const ChildRole& role);
// Does not return in the child.
[[nodiscard]] Launched launch_by_fork(ProcessTarget& target, const ChildRole& role);
// Descriptors in `inherited` are open in the child, under the same numbers.
[[nodiscard]] Launched launch_by_spawn(const ProcessTarget& target, const ChildRole& role,
                                       std::span<const int> inherited = {});
[[nodiscard]] Launched launch_by_forkserver(const ProcessTarget& target, const ChildRole& role);
// Set by init(): spawned children, and the fork server, will be caught.
[[nodiscard]] bool spawn_is_possible() noexcept;

// Returns to the arenas what a child held that has ended.
void recover_after(const std::vector<ForkRecord::Embryo>& embryos) noexcept;

// A descriptor opened ahead, so that the one for the child cannot be missing once the child runs.
class SentinelReserve {
 public:
  SentinelReserve();
  // Ends the child, and throws, when the system refuses after all.
  void open_for(Launched& child);
  void close() noexcept { spare_.reset(); }

 private:
  os::Fd spare_;
};

// Waits for a child that is to end, or has: it is not heard of again.
void discard(pid_t pid) noexcept;

}  // namespace polyproc::inline v0
