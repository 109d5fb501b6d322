// SPDX-License-Identifier: MIT
// DecodeError: bytes that are not what their reader expects.
#pragma once

#include <cstddef>
#include <string>

#include <polyproc/os/error.hpp>

namespace polyproc::inline v0 {

// The bytes are damaged, refused by the rules of docs/wire.md, or hold a value of another type than was asked for.
class POLYPROC_API DecodeError : public Error {
 public:
  // `offset`: the byte at which reading stopped, counted from the beginning of the encoded value.
  DecodeError(const std::string& what, std::size_t offset);
  ~DecodeError() override;
  [[nodiscard]] std::size_t offset() const noexcept { return offset_; }
  // The message without the offset.
  [[nodiscard]] const std::string& reason() const noexcept { return reason_; }

 private:
  std::size_t offset_;
  std::string reason_;
};

}  // namespace polyproc::inline v0
