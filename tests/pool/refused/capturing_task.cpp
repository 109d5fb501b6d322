// SPDX-License-Identifier: MIT
// A lambda with captures cannot be a task.
// expect: pass a function, or a lambda without captures
#include <polyproc/pool/pool.hpp>

#ifdef REFUSED
int run(polyproc::Pool& pool, int n) {
  return pool.apply([n](int x) { return x + n; }, 1);
}
#endif
