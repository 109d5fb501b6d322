// SPDX-License-Identifier: MIT
// A pointer cannot be an argument of a task.
// expect: pointers, references and views mean nothing there
#include <polyproc/pool/pool.hpp>

int number = 1;

#ifdef REFUSED
int run(polyproc::Pool& pool) {
  return pool.apply([](const int* x) { return *x; }, &number);
}
#endif
