// SPDX-License-Identifier: MIT
// The keyed digests of CPython's challenges, by Python's names.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include <polyproc/net/authkey.hpp>

namespace polyproc::inline v0 {

inline constexpr std::string_view kMd5 = "md5";
inline constexpr std::size_t kMd5Bytes = 16;

// md5 sha256 sha384 sha3_256 sha3_384
[[nodiscard]] bool is_digest(std::string_view name) noexcept;
// HMAC (RFC 2104) under a digest that is_digest knows. Throws Error when the system's OpenSSL refuses it.
[[nodiscard]] std::vector<std::byte> keyed_digest(std::string_view name, const AuthKey& key,
                                                  std::span<const std::byte> message);
// In a time that tells nothing of where they differ.
[[nodiscard]] bool equal_in_secret(std::span<const std::byte> a, std::span<const std::byte> b) noexcept;

}  // namespace polyproc::inline v0
