// SPDX-License-Identifier: MIT
// The least that a newly started C++ program does: load the standard library, which this include needs, and end. What
// polyproc's spawn is measured against.
#include <iostream>

int main() { return 0; }
