// SPDX-License-Identifier: MIT
#include "net/digest.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>

#include <polyproc/os/error.hpp>

namespace polyproc::inline v0 {
namespace {

struct Digest {
  std::string_view name;
  const EVP_MD* (*method)();
};
constexpr std::array<Digest, 5> kDigests{{{kMd5, &EVP_md5},
                                          {"sha256", &EVP_sha256},
                                          {"sha384", &EVP_sha384},
                                          {"sha3_256", &EVP_sha3_256},
                                          {"sha3_384", &EVP_sha3_384}}};

const Digest* find(std::string_view name) noexcept {
  const auto found = std::ranges::find(kDigests, name, &Digest::name);
  return found == kDigests.end() ? nullptr : &*found;
}

}  // namespace

bool is_digest(std::string_view name) noexcept { return find(name) != nullptr; }

std::vector<std::byte> keyed_digest(std::string_view name, const AuthKey& key,
                                    std::span<const std::byte> message) {
  const Digest* digest = find(name);
  std::array<unsigned char, EVP_MAX_MD_SIZE> result;
  unsigned size = 0;
  if (digest == nullptr || ::HMAC(digest->method(), key.bytes().data(), static_cast<int>(key.bytes().size()),
                                  reinterpret_cast<const unsigned char*>(message.data()), message.size(),
                                  result.data(), &size) == nullptr)
    throw Error(fmt::format("authentication: OpenSSL has no HMAC with {} on this system", name));
  const auto bytes = std::as_bytes(std::span(result).first(size));
  return {bytes.begin(), bytes.end()};
}

bool equal_in_secret(std::span<const std::byte> a, std::span<const std::byte> b) noexcept {
  return a.size() == b.size() && ::CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace polyproc::inline v0
