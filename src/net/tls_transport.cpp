// SPDX-License-Identifier: MIT
#include "net/tls_transport.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>

#include "net/tls_error.hpp"
#include "os/poll.hpp"

namespace polyproc::inline v0 {
namespace {

constexpr std::size_t kPart = 16 * 1024;  // a record's

// Its certificate must be for this name, or for this IP address.
void expect_name(SSL* ssl, const std::string& name) {
  if (name.empty()) return;
  X509_VERIFY_PARAM* const wanted = ::SSL_get0_param(ssl);
  if (::X509_VERIFY_PARAM_set1_ip_asc(wanted, name.c_str()) == 1) return;
  ::ERR_clear_error();
  if (::SSL_set1_host(ssl, name.c_str()) != 1 || ::SSL_set_tlsext_host_name(ssl, name.c_str()) != 1)
    throw_tls_error(fmt::format("tls: asking for a certificate of '{}'", name));
}

}  // namespace

TlsTransport::TlsTransport(os::Fd socket, const Tls& tls, const std::string& host)
    : Transport(std::move(socket)) {
  const auto& settings = detail::TlsSettings::of(tls);
  ssl_.reset(::SSL_new(settings.context.get()));
  BIO* const in = ::BIO_new(::BIO_s_mem());
  BIO* const out = ::BIO_new(::BIO_s_mem());
  if (!ssl_ || in == nullptr || out == nullptr) throw_tls_error("tls: making a connection");
  ::BIO_set_mem_eof_return(in, -1);  // empty: more will come
  ::BIO_set_mem_eof_return(out, -1);
  ::SSL_set_bio(ssl_.get(), in, out);
  if (settings.is_server) {
    ::SSL_set_accept_state(ssl_.get());
  } else {
    expect_name(ssl_.get(), settings.name.empty() ? host : settings.name);
    ::SSL_set_connect_state(ssl_.get());
  }
}

bool TlsTransport::shake_hands(Deadline deadline) {
  for (;;) {
    int error = SSL_ERROR_NONE;
    {
      const std::lock_guard lock(ssl_lock_);
      ::ERR_clear_error();
      const int result = ::SSL_do_handshake(ssl_.get());
      if (result != 1) error = ::SSL_get_error(ssl_.get(), result);
    }
    if (error != SSL_ERROR_NONE && error != SSL_ERROR_WANT_READ) {
      try {
        (void)flush(Deadline::now());  // the alert that says why
      } catch (const Error&) {
      }
      throw_tls_error("tls: the two ends do not agree");
    }
    if (!flush(deadline)) return false;
    if (error == SSL_ERROR_NONE) return true;
    const auto count = fetch(deadline);
    if (!count) return false;
    if (*count == 0) throw EndOfFile("tls: the other end has closed the connection; does it expect TLS?");
  }
}

std::optional<std::size_t> TlsTransport::fetch(Deadline deadline) {
  std::array<std::byte, kPart> part;
  const auto count = read_socket(part, deadline);
  if (!count || *count == 0) return count;
  const std::lock_guard lock(ssl_lock_);
  if (::BIO_write(::SSL_get_rbio(ssl_.get()), part.data(), static_cast<int>(*count)) !=
      static_cast<int>(*count))
    throw_tls_error("tls: receiving");
  return count;
}

bool TlsTransport::flush(Deadline deadline) {
  const std::lock_guard order(out_lock_);
  for (;;) {
    std::array<std::byte, kPart> part;
    std::size_t count = 0;
    {
      const std::lock_guard lock(ssl_lock_);
      char* waiting = nullptr;
      const long size = BIO_get_mem_data(::SSL_get_wbio(ssl_.get()), &waiting);
      count = std::min(size > 0 ? static_cast<std::size_t>(size) : 0, part.size());
      std::copy_n(reinterpret_cast<std::byte*>(waiting), count, part.data());
    }
    if (count == 0) return true;
    const std::size_t sent = write_socket_now(std::span(part).first(count));
    if (sent == 0) {
      if (!os::wait_for(fd(), POLLOUT, deadline, "a connection")) return false;
      continue;
    }
    const std::lock_guard lock(ssl_lock_);
    (void)::BIO_read(::SSL_get_wbio(ssl_.get()), part.data(), static_cast<int>(sent));
  }
}

std::optional<std::size_t> TlsTransport::read(std::span<std::byte> room, Deadline deadline) {
  for (;;) {
    int error = SSL_ERROR_NONE;
    std::size_t count = 0;
    {
      const std::lock_guard lock(ssl_lock_);
      ::ERR_clear_error();
      const int result = ::SSL_read_ex(ssl_.get(), room.data(), room.size(), &count);
      if (result != 1) error = ::SSL_get_error(ssl_.get(), result);
    }
    if (error == SSL_ERROR_NONE) return count;
    if (error == SSL_ERROR_ZERO_RETURN) return 0;
    if (error != SSL_ERROR_WANT_READ) throw_tls_error("tls: receiving");
    if (!flush(deadline)) return std::nullopt;  // an answer to the other end's OpenSSL
    const auto fetched = fetch(deadline);
    if (!fetched || *fetched == 0) return fetched;
  }
}

void TlsTransport::encrypt(std::span<const std::byte> bytes) {
  const std::lock_guard lock(ssl_lock_);
  std::size_t written = 0;
  ::ERR_clear_error();
  if (::SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written) != 1) throw_tls_error("tls: sending");
}

bool TlsTransport::write(std::span<const iovec> parts, Deadline deadline) {
  for (const iovec& part : parts) {
    std::span left(static_cast<const std::byte*>(part.iov_base), part.iov_len);
    while (!left.empty()) {
      const auto next = left.first(std::min(left.size(), kPart));
      encrypt(next);
      left = left.subspan(next.size());
      if (!left.empty() && !flush(deadline)) return false;
    }
  }
  return flush(deadline);
}

std::size_t TlsTransport::write_some(std::span<const std::byte> bytes) {
  if (!flush(Deadline::now()) || bytes.empty()) return 0;
  const auto next = bytes.first(std::min(bytes.size(), kPart));
  encrypt(next);
  (void)flush(Deadline::now());
  return next.size();
}

bool TlsTransport::wants_to_write() {
  const std::lock_guard lock(ssl_lock_);
  return ::BIO_ctrl_pending(::SSL_get_wbio(ssl_.get())) != 0;
}

bool TlsTransport::holds_input() const {
  const std::lock_guard lock(ssl_lock_);
  return ::SSL_has_pending(ssl_.get()) != 0 || ::BIO_ctrl_pending(::SSL_get_rbio(ssl_.get())) != 0;
}

// Tells the other end that this is the end, if it can be told at once.
void TlsTransport::close() noexcept {
  {
    const std::lock_guard lock(ssl_lock_);
    (void)::SSL_shutdown(ssl_.get());
    ::ERR_clear_error();
  }
  try {
    (void)flush(Deadline::now());
  } catch (const Error&) {
  }
  Transport::close();
}

}  // namespace polyproc::inline v0
