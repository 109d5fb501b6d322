// SPDX-License-Identifier: MIT
// Where a listener is found: a host and port, or a Unix socket with a path or an abstract name.
//
//     polyproc::Address("localhost:5000")     polyproc::Address("unix:/run/orders.sock")
//     polyproc::Address("[::1]:5000")         polyproc::Address("unix:@orders")
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include <polyproc/os/config.hpp>

namespace polyproc::inline v0 {

class POLYPROC_API Address {
 public:
  enum class Family : std::uint8_t { tcp, unix_path, unix_abstract };

  // As above. Throws InvalidArgument for any other text, and what the functions below throw.
  Address(std::string_view text);
  Address(const std::string& text) : Address(std::string_view(text)) {}
  Address(const char* text) : Address(std::string_view(text)) {}

  // A name or an IPv4 or IPv6 address; none: all of this machine's. A listener at port 0 is given a free one.
  [[nodiscard]] static Address tcp(std::string host, std::uint16_t port);
  // Throws InvalidArgument for a path that is empty or longer than the system takes (107 bytes).
  [[nodiscard]] static Address unix_path(std::string path);
  // A name in no folder, which the kernel forgets with its listener. Any user of this machine can connect to it, so that the
  // key alone tells who may. Throws InvalidArgument as above.
  [[nodiscard]] static Address abstract(std::string name);
  // An abstract name that nobody else has.
  [[nodiscard]] static Address unique();

  [[nodiscard]] Family family() const noexcept { return family_; }
  [[nodiscard]] const std::string& host() const noexcept { return name_; }  // of TCP
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] const std::string& path() const noexcept { return name_; }  // or the abstract name
  // The text that makes the same address.
  [[nodiscard]] std::string str() const;

  friend bool operator==(const Address&, const Address&) noexcept = default;
  friend POLYPROC_API std::ostream& operator<<(std::ostream& out, const Address& address);

 private:
  Address(Family family, std::string name, std::uint16_t port)
      : family_(family), name_(std::move(name)), port_(port) {}

  Family family_;
  std::string name_;
  std::uint16_t port_ = 0;
};

}  // namespace polyproc::inline v0

template <>
struct fmt::formatter<polyproc::Address> : fmt::formatter<std::string> {
  template <class Context>
  auto format(const polyproc::Address& address, Context& context) const {
    return fmt::formatter<std::string>::format(address.str(), context);
  }
};
