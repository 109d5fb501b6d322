// SPDX-License-Identifier: MIT
// How much memory this process may still use, and what limits address space and file size.
#pragma once

#include <cstdint>

namespace polyproc::inline v0::os {

// Bytes that can be had without swapping: what the machine and every control group above this process leave.
std::uint64_t available_memory() noexcept;

// RLIMIT_AS and RLIMIT_FSIZE; the largest value when unlimited.
std::uint64_t address_space_limit() noexcept;
std::uint64_t file_size_limit() noexcept;

// True under an emulator that pays for reserved address space (valgrind).
bool reservations_are_costly() noexcept;

// True under the thread sanitizer, which takes most of the address space for itself.
bool address_space_is_crowded() noexcept;

std::uint64_t page_size() noexcept;

}  // namespace polyproc::inline v0::os
