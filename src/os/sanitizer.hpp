// SPDX-License-Identifier: MIT
// Which sanitizers this is compiled with, as g++ and clang tell it.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define POLYPROC_ADDRESS_SANITIZER 1
#endif
#if defined(__SANITIZE_THREAD__)
#define POLYPROC_THREAD_SANITIZER 1
#endif

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POLYPROC_ADDRESS_SANITIZER 1
#endif
#if __has_feature(thread_sanitizer)
#define POLYPROC_THREAD_SANITIZER 1
#endif
#endif
