// SPDX-License-Identifier: MIT
// TLS over a stream socket. OpenSSL works on memory alone, so that the socket is written without SIGPIPE and waited for with a
// deadline.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <openssl/ssl.h>

#include <polyproc/net/tls.hpp>

#include "net/transport.hpp"

namespace polyproc::inline v0 {

namespace detail {

struct TlsSettings {
  std::shared_ptr<SSL_CTX> context;
  bool is_server;
  std::string name;  // that the other end's certificate must have

  static const TlsSettings& of(const Tls& tls) noexcept { return *tls.settings_; }
  static Tls make(TlsSettings settings) {
    return Tls(std::make_shared<const TlsSettings>(std::move(settings)));
  }
};

}  // namespace detail

class TlsTransport : public Transport {
 public:
  // `host`: what was connected to.
  TlsTransport(os::Fd socket, const Tls& tls, const std::string& host);
  [[nodiscard]] bool shake_hands(Deadline deadline) override;

  [[nodiscard]] std::optional<std::size_t> read(std::span<std::byte> room, Deadline deadline) override;
  [[nodiscard]] bool write(std::span<const iovec> parts, Deadline deadline) override;
  [[nodiscard]] std::size_t write_some(std::span<const std::byte> bytes) override;
  [[nodiscard]] bool wants_to_write() override;
  [[nodiscard]] bool passes_descriptors() const override { return false; }
  [[nodiscard]] bool holds_input() const override;
  void close() noexcept override;

 private:
  struct Free {
    void operator()(SSL* ssl) const noexcept { ::SSL_free(ssl); }
  };
  // More from the other end; 0 at the end, nothing at the deadline.
  [[nodiscard]] std::optional<std::size_t> fetch(Deadline deadline);
  // Sends what OpenSSL has written, in its order; false at the deadline, the rest is kept.
  [[nodiscard]] bool flush(Deadline deadline);
  void encrypt(std::span<const std::byte> bytes);

  mutable std::mutex ssl_lock_;  // OpenSSL's object is for one thread at a time
  std::mutex out_lock_;          // from taking bytes out of it until they are sent
  std::unique_ptr<SSL, Free> ssl_;
};

}  // namespace polyproc::inline v0
