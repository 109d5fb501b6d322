// SPDX-License-Identifier: MIT
// A message as a connection receives it: bytes, and descriptors that came along; and the tables by which a value that is
// encoded into one, or decoded from it, names these.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <polyproc/codec/handle_table.hpp>
#include <polyproc/os/config.hpp>
#include <polyproc/os/fd.hpp>

namespace polyproc::inline v0 {

class POLYPROC_API ConnectionMessage {
 public:
  ConnectionMessage() noexcept = default;
  // A message that fits goes there, without another copy.
  explicit ConnectionMessage(std::span<std::byte> target) noexcept : target_(target) {}

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::vector<os::Fd>& descriptors() noexcept { return descriptors_; }

 private:
  friend class ByteConnection;
  std::span<std::byte> target_;
  std::unique_ptr<std::byte[]> own_;
  std::span<std::byte> bytes_;
  std::vector<os::Fd> descriptors_;
};

namespace detail {

// Collects what a value refers to; the descriptors belong to the value, and stay open until it is sent. Shared objects
// are refused: UsageError.
class POLYPROC_API SentHandles final : public HandleTable {
 public:
  SentHandles() noexcept = default;
  ~SentHandles() override;
  [[nodiscard]] std::span<const int> descriptors() const noexcept { return descriptors_; }

  std::uint64_t add_block(const BlockRef& block) override;
  std::uint64_t add_descriptor(int descriptor) override;
  BlockRef block(std::uint64_t number) override;
  os::Fd descriptor(std::uint64_t number) override;

 private:
  std::vector<int> descriptors_;
};

// Gives out the descriptors of a message, each once.
class POLYPROC_API ReceivedHandles final : public HandleTable {
 public:
  explicit ReceivedHandles(std::vector<os::Fd>& descriptors) noexcept : descriptors_(&descriptors) {}
  ~ReceivedHandles() override;

  std::uint64_t add_block(const BlockRef& block) override;
  std::uint64_t add_descriptor(int descriptor) override;
  BlockRef block(std::uint64_t number) override;
  os::Fd descriptor(std::uint64_t number) override;

 private:
  std::vector<os::Fd>* descriptors_;
};

}  // namespace detail
}  // namespace polyproc::inline v0
