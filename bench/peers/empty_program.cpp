// SPDX-License-Identifier: MIT
// The least that a newly started C++ program does: what polyproc's spawn is measured against.
int main() { return 0; }
