// SPDX-License-Identifier: MIT
// Byte locks of open file descriptions. The kernel drops such a lock when the last process that shares the
// description has ended, so a held byte is proof of life that no reused process id, zombie or other pid namespace can
// forge; a process's own locks never answer its own question.
#pragma once

#include <cstdint>

namespace polyproc::inline v0::os {

// Takes byte `index` for this description; false when another description holds it.
bool try_lock_byte(int fd, std::uint64_t index);
// Waits for the byte.
void lock_byte(int fd, std::uint64_t index);
void unlock_byte(int fd, std::uint64_t index) noexcept;

// Does another description hold a byte in [index, index + count)? count 0: up to the end of all bytes. Answers true
// when the kernel does not answer: an unreadable process counts as alive.
bool byte_locked_elsewhere(int fd, std::uint64_t index, std::uint64_t count = 1) noexcept;

}  // namespace polyproc::inline v0::os
