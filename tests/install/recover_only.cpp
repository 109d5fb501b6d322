// SPDX-License-Identifier: MIT
// recover_only ARENA: a program that uses no queue returns what a killed process had in one. Exits with 0 when all came
// back, and removes the arena.
#include <polyproc/arena/arena.hpp>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  std::uint64_t used = 0;
  {
    const polyproc::Arena arena = polyproc::Arena::open(argv[1]);
    arena.recover();
    used = arena.stats().used;
  }
  polyproc::Arena::remove(argv[1]);
  if (used < 1'000'000) return 0;
  std::fprintf(stderr, "%zu bytes were not returned\n", static_cast<std::size_t>(used));
  return 1;
}
