// SPDX-License-Identifier: MIT
// A span in an optional in a struct is refused.
// expect: means nothing in another process
#include <polyproc/codec/codec.hpp>

struct Part {
  std::optional<std::span<int>> range;
};
Part part;

#ifdef REFUSED
std::vector<std::byte> bytes = polyproc::to_pickle(part);
#endif
