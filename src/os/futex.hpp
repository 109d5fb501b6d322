// SPDX-License-Identifier: MIT
// Futex calls on words in shared memory: never the PRIVATE flag.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include <polyproc/os/config.hpp>

namespace polyproc::inline v0::os {

// Sleeps while `word` is `expected`, at most `timeout`. May return early for any reason: callers look again. Of a 64-bit
// word the low half counts; both supported machines are little-endian.
POLYPROC_API void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                             std::chrono::nanoseconds timeout) noexcept;
void futex_wait(const std::atomic<std::uint64_t>& word, std::uint32_t expected,
                std::chrono::nanoseconds timeout) noexcept;

// Wakes at most `count` sleepers and returns how many were woken.
POLYPROC_API int futex_wake(const std::atomic<std::uint32_t>& word, int count) noexcept;
int futex_wake(const std::atomic<std::uint64_t>& word, int count) noexcept;

}  // namespace polyproc::inline v0::os
