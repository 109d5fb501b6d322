// SPDX-License-Identifier: MIT
// BufferTooShort: a message that is longer than the room its receiver has for it.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include <polyproc/os/error.hpp>

namespace polyproc::inline v0 {

// Carries the whole message, which has been received: the next call receives the next one.
class POLYPROC_API BufferTooShort : public Error {
 public:
  BufferTooShort(std::vector<std::byte> message, std::size_t room);
  ~BufferTooShort() override;
  // Valid as long as the exception or a copy of it.
  [[nodiscard]] std::span<const std::byte> message() const noexcept { return *message_; }

 private:
  std::shared_ptr<const std::vector<std::byte>> message_;
};

}  // namespace polyproc::inline v0
