// SPDX-License-Identifier: MIT
// What the tests of the arena have in common: short words for bytes blocks, and the question whether all is whole.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include <polyproc/arena/arena.hpp>
#include <polyproc/os/error.hpp>

#include "arena/arena_core.hpp"

namespace polyproc::testing {

inline constexpr std::uint64_t kKiB = 1024;
inline constexpr std::uint64_t kMiB = 1024 * kKiB;

[[nodiscard]] inline BlockRef make_bytes(const Arena& arena, std::uint64_t size, bool zeroed = true) {
  return BlockRef::create(arena, BlockKind::bytes, {}, size, zeroed);
}

[[nodiscard]] inline BlockRef open_bytes(const Handle& handle) {
  return BlockRef::open(handle, BlockKind::bytes, {});
}

[[nodiscard]] inline bool is_zero(const BlockRef& block) {
  return std::all_of(block.data(), block.data() + block.size(),
                     [](std::byte each) { return each == std::byte{0}; });
}

inline void fill(const BlockRef& block, int value) { std::memset(block.data(), value, block.size()); }

inline void expect_clean(const Arena& arena) {
  for (const std::string& error : arena.check().errors) ADD_FAILURE() << error;
}

// Makes the tables that stay, so that numbers of blocks can be compared.
inline void warm_up(const Arena& arena) {
  { const BlockRef any = make_bytes(arena, 64); }
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  (void)arena.recover();
}

// Bytes of memory that the system has behind the arena's file, tables included.
[[nodiscard]] inline std::uint64_t memory_behind(const Arena& arena) {
  struct stat status {};
  EXPECT_EQ(::fstat(arena.core().region().fd(), &status), 0);
  return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

// Blocks of `size` until the arena refuses.
[[nodiscard]] inline std::vector<BlockRef> fill_up(const Arena& arena, std::uint64_t size) {
  std::vector<BlockRef> all;
  try {
    for (;;) all.push_back(make_bytes(arena, size, false));
  } catch (const ArenaFull&) {
    return all;
  }
}

}  // namespace polyproc::testing
