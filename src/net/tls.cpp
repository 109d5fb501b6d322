// SPDX-License-Identifier: MIT
#include <polyproc/net/tls.hpp>

#include <openssl/err.h>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>

#include "net/tls_error.hpp"
#include "net/tls_transport.hpp"

namespace polyproc::inline v0 {

using detail::TlsSettings;

namespace {

std::shared_ptr<SSL_CTX> make_context(const SSL_METHOD* method) {
  std::shared_ptr<SSL_CTX> context(::SSL_CTX_new(method), &::SSL_CTX_free);
  if (!context || ::SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1)
    throw_tls_error("tls: starting OpenSSL");
  return context;
}

}  // namespace

void throw_tls_error(const std::string& what) {
  const unsigned long code = ::ERR_get_error();
  const char* reason = code == 0 ? nullptr : ::ERR_reason_error_string(code);
  ::ERR_clear_error();
  throw Error(fmt::format("{}: {}", what, reason == nullptr ? "no reason given" : reason));
}

Tls Tls::server(const std::filesystem::path& certificates, const std::filesystem::path& key) {
  auto context = make_context(::TLS_server_method());
  ::ERR_clear_error();
  if (::SSL_CTX_use_certificate_chain_file(context.get(), certificates.c_str()) != 1)
    throw_tls_error(fmt::format("tls: reading the certificates in '{}'", certificates.native()));
  if (::SSL_CTX_use_PrivateKey_file(context.get(), key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      ::SSL_CTX_check_private_key(context.get()) != 1)
    throw_tls_error(fmt::format("tls: reading the key of the certificate in '{}'", key.native()));
  return TlsSettings::make({std::move(context), true, {}});
}

Tls Tls::client(const std::filesystem::path& roots, std::string name) {
  auto context = make_context(::TLS_client_method());
  ::ERR_clear_error();
  const int loaded = roots.empty() ? ::SSL_CTX_set_default_verify_paths(context.get())
                                   : ::SSL_CTX_load_verify_locations(context.get(), roots.c_str(), nullptr);
  if (loaded != 1) throw_tls_error(fmt::format("tls: reading the root certificates in '{}'", roots.native()));
  ::SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  return TlsSettings::make({std::move(context), false, std::move(name)});
}

}  // namespace polyproc::inline v0
