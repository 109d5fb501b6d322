// SPDX-License-Identifier: MIT
// A task cannot give a pointer.
// expect: it must be a value that can go there
#include <polyproc/pool/pool.hpp>

#ifdef REFUSED
const char* run(polyproc::Pool& pool) {
  return pool.apply([]() -> const char* { return "text"; });
}
#endif
