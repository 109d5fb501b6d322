// SPDX-License-Identifier: MIT
// Futex calls on words in shared memory: never the PRIVATE flag.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace polyproc::inline v0::os {

// Sleeps while `word` is `expected`, at most `timeout`. May return early for any reason: callers look again.
void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                std::chrono::nanoseconds timeout) noexcept;

// Wakes at most `count` sleepers and returns how many were woken.
int futex_wake(const std::atomic<std::uint32_t>& word, int count) noexcept;

}  // namespace polyproc::inline v0::os
