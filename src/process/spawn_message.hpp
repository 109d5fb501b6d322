// SPDX-License-Identifier: MIT
// What a spawned child is told. Its command line names its place in the family's arena and a block there, of kind
// process_message: the child's role, the descriptor of its life line, an entry function, and what that reads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <polyproc/arena/handle.hpp>
#include <polyproc/os/fd.hpp>
#include <polyproc/process/target.hpp>

#include "process/this_process.hpp"

namespace polyproc::inline v0 {

// The child's second argument: --polyproc-child=<descriptor of the arena>,<identity>,<arena>,<offset>,<generation>
struct SpawnCommand {
  int arena_fd = -1;
  std::uint64_t identity = 0;  // the child's process slot
  Handle message;

  [[nodiscard]] std::string to_argument() const;
  [[nodiscard]] static std::optional<SpawnCommand> parse(const char* argument);
};

void write_role(Encoder& out, const ChildRole& role);
[[nodiscard]] ChildRole read_role(Decoder& in);
[[nodiscard]] std::unique_ptr<ProcessTarget> read_target(Decoder& in);

// The block in the family's arena that carries a call, and what a place for the child must hold: it first, then what the
// call names there.
[[nodiscard]] BlockRef make_message(const Encoder& call);
[[nodiscard]] std::vector<std::uint64_t> offsets_of(std::span<const BlockRef> blocks,
                                                    const BlockRef& message);

// A descriptor that this program was started with.
[[nodiscard]] os::Fd take_over(int fd);

}  // namespace polyproc::inline v0
