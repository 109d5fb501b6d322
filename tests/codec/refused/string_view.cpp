// SPDX-License-Identifier: MIT
// A view is refused, also as a key.
// expect: means nothing in another process
#include <polyproc/codec/codec.hpp>

std::map<std::string_view, int> views;

#ifdef REFUSED
std::vector<std::byte> bytes = polyproc::encode(views);
#endif
