// SPDX-License-Identifier: MIT
// SipHash-1-3 of J.-P. Aumasson and D. J. Bernstein, with a key of this process: nobody outside can choose strings that
// collide in a dict. CPython hashes strings the same way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace polyproc::inline v0::detail {

[[nodiscard]] std::uint64_t sip_hash(std::span<const std::byte> bytes, std::uint64_t seed = 0) noexcept;
// One word, mixed with the process's key.
[[nodiscard]] std::uint64_t mix(std::uint64_t word, std::uint64_t seed = 0) noexcept;

}  // namespace polyproc::inline v0::detail
