// SPDX-License-Identifier: MIT
// The version of polyproc, and what decides which names leave the library. Every other header begins here.
#pragma once

// The one place where the version is written: CMake, the soname and pkg-config read it from these three lines.
#define POLYPROC_VERSION_MAJOR 0
#define POLYPROC_VERSION_MINOR 1
#define POLYPROC_VERSION_PATCH 0

// For comparisons: 10203 is 1.2.3.
#define POLYPROC_VERSION \
  (POLYPROC_VERSION_MAJOR * 10000 + POLYPROC_VERSION_MINOR * 100 + POLYPROC_VERSION_PATCH)

#define POLYPROC_STRINGIZE_ARGUMENT(text) #text
#define POLYPROC_STRINGIZE(text) POLYPROC_STRINGIZE_ARGUMENT(text)
#define POLYPROC_VERSION_STRING              \
  POLYPROC_STRINGIZE(POLYPROC_VERSION_MAJOR) \
  "." POLYPROC_STRINGIZE(POLYPROC_VERSION_MINOR) "." POLYPROC_STRINGIZE(POLYPROC_VERSION_PATCH)

#if __has_include(<features.h>)
#include <features.h>  // __GLIBC__
#endif
#if !defined(__linux__) || !defined(__GLIBC__)
#error "polyproc needs Linux with glibc"
#endif
#if !defined(__x86_64__) && !defined(__aarch64__)
#error "polyproc needs x86-64 or aarch64"
#endif

// Marks what a shared library exports; everything else is compiled with hidden visibility.
#define POLYPROC_API __attribute__((visibility("default")))

// 1 in test builds: named places at which a test can have a process killed (os/fail_point.hpp).
#ifndef POLYPROC_FAIL_POINTS
#define POLYPROC_FAIL_POINTS 0
#endif
