// SPDX-License-Identifier: MIT
// A pointer is refused.
// expect: means nothing in another process
#include <polyproc/codec/codec.hpp>

int number = 1;

#ifdef REFUSED
std::vector<std::byte> bytes = polyproc::encode(&number);
#endif
