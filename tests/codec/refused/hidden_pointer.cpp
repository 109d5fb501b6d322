// SPDX-License-Identifier: MIT
// A pointer inside a struct in a container is refused.
// expect: means nothing in another process
#include <polyproc/codec/codec.hpp>

struct Link {
  int value;
  Link* next;
};
std::vector<Link> links;

#ifdef REFUSED
std::vector<std::byte> bytes = polyproc::encode(links);
#endif
