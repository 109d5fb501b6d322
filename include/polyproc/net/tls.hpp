// SPDX-License-Identifier: MIT
// What a connection needs to be private: certificates and keys, by way of OpenSSL. TLS 1.2 and later.
//
// The key of the handshake tells who may connect; TLS keeps others from reading and changing what goes over the network.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include <polyproc/os/config.hpp>

namespace polyproc::inline v0 {

namespace detail {
struct TlsSettings;
}

class POLYPROC_API Tls {
 public:
  // For who accepts connections: files in PEM form, the certificate with those that lead to its root behind it. Throws Error,
  // which names the file, when they cannot be read or do not belong together.
  [[nodiscard]] static Tls server(const std::filesystem::path& certificates,
                                  const std::filesystem::path& key);
  // For who connects: the other end must have a certificate of `roots` (none: those that the system trusts) for `name` (none:
  // the host of the address). Throws Error.
  [[nodiscard]] static Tls client(const std::filesystem::path& roots = {}, std::string name = {});

 private:
  friend struct detail::TlsSettings;
  explicit Tls(std::shared_ptr<const detail::TlsSettings> settings) noexcept
      : settings_(std::move(settings)) {}
  std::shared_ptr<const detail::TlsSettings> settings_;
};

}  // namespace polyproc::inline v0
