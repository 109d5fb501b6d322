// SPDX-License-Identifier: MIT
// The secret that two programs share, by which each convinces the other that it may talk to it, without sending it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include <polyproc/os/config.hpp>

namespace polyproc::inline v0 {

// Never printed; its memory is overwritten when it is freed.
class POLYPROC_API AuthKey {
 public:
  // CPython's authkey of the same bytes. Throws InvalidArgument for none.
  explicit AuthKey(std::span<const std::byte> bytes);
  AuthKey(std::string_view text) : AuthKey(std::as_bytes(std::span(text))) {}
  AuthKey(const char* text) : AuthKey(std::string_view(text)) {}
  AuthKey(const AuthKey&) = default;
  AuthKey& operator=(const AuthKey& other);
  ~AuthKey();

  // 32 bytes.
  [[nodiscard]] static AuthKey random();
  // The file's bytes, without a line end behind them. Throws OsError, InvalidArgument when others may read the file, or it is
  // empty.
  [[nodiscard]] static AuthKey from_file(const std::filesystem::path& file);

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }

 private:
  void wipe() noexcept;
  std::vector<std::byte> bytes_;
};

}  // namespace polyproc::inline v0

template <>
struct fmt::formatter<polyproc::AuthKey> : fmt::formatter<std::string_view> {
  template <class Context>
  auto format(const polyproc::AuthKey&, Context& context) const {
    return fmt::formatter<std::string_view>::format("AuthKey(...)", context);
  }
};
