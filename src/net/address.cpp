// SPDX-License-Identifier: MIT
#include <polyproc/net/address.hpp>

#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <ostream>
#include <utility>

#include <polyproc/os/error.hpp>

#include "net/random.hpp"

namespace polyproc::inline v0 {
namespace {

constexpr std::string_view kUnix = "unix:";
// Of a path, with the zero at its end; an abstract name has a zero in front.
constexpr std::size_t kLongest = sizeof(sockaddr_un::sun_path) - 1;

[[noreturn]] void refuse(std::string_view text, std::string_view why) {
  throw InvalidArgument(
      fmt::format("address '{}': {}; give HOST:PORT, [IPV6]:PORT, unix:PATH or unix:@NAME", text, why));
}

std::uint16_t port_of(std::string_view digits, std::string_view text) {
  std::uint16_t port = 0;
  const char* const end = digits.data() + digits.size();
  const auto [last, error] = std::from_chars(digits.data(), end, port);
  if (error != std::errc() || last != end)
    refuse(text, "a port from 0 to 65535 is expected behind the last colon");
  return port;
}

void check_name(std::string_view name, std::string_view what) {
  if (name.empty() || name.size() > kLongest)
    throw InvalidArgument(fmt::format("address: {} of a Unix socket has 1 to {} bytes, and this one {}", what,
                                      kLongest, name.size()));
}

}  // namespace

Address::Address(std::string_view text) : family_(Family::tcp) {
  if (text.starts_with(kUnix)) {
    const std::string_view name = text.substr(kUnix.size());
    *this = name.starts_with('@') ? abstract(std::string(name.substr(1))) : unix_path(std::string(name));
    return;
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) refuse(text, "there is no port");
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (!bracketed && host.find(':') != std::string_view::npos)
    refuse(text, "an IPv6 address stands in brackets");
  if (bracketed) host = host.substr(1, host.size() - 2);
  *this = tcp(std::string(host), port_of(text.substr(colon + 1), text));
}

Address Address::tcp(std::string host, std::uint16_t port) { return {Family::tcp, std::move(host), port}; }

Address Address::unix_path(std::string path) {
  check_name(path, "the path");
  if (path.find('\0') != std::string::npos) refuse("unix:...", "a path contains no zero byte");
  return {Family::unix_path, std::move(path), 0};
}

Address Address::abstract(std::string name) {
  check_name(name, "the name");
  return {Family::unix_abstract, std::move(name), 0};
}

Address Address::unique() {
  std::string name = fmt::format("polyproc-{}-", ::getpid());
  for (const std::byte byte : random_bytes(8)) name += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  return abstract(std::move(name));
}

std::string Address::str() const {
  if (family_ == Family::unix_path) return fmt::format("unix:{}", name_);
  if (family_ == Family::unix_abstract) return fmt::format("unix:@{}", name_);
  return name_.find(':') == std::string::npos ? fmt::format("{}:{}", name_, port_)
                                              : fmt::format("[{}]:{}", name_, port_);
}

std::ostream& operator<<(std::ostream& out, const Address& address) { return out << address.str(); }

}  // namespace polyproc::inline v0
