// SPDX-License-Identifier: MIT
// A message as a connection receives it: bytes, and the descriptors and references to shared objects that came along; and
// the tables by which a value that is encoded into one, or decoded from it, names these.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <polyproc/arena/block_ref.hpp>
#include <polyproc/arena/handle.hpp>
#include <polyproc/codec/handle_table.hpp>
#include <polyproc/os/config.hpp>
#include <polyproc/os/fd.hpp>

namespace polyproc::inline v0 {

namespace detail {
class ReceivedHandles;
}

// A reference on its way, as it stands at the end of a message (docs/wire.md).
struct TravellingReference {
  Handle object;
  std::uint64_t holder;  // the place in its arena that holds it until the receiver does
};

class POLYPROC_API ConnectionMessage {
 public:
  ConnectionMessage() noexcept = default;
  // A message that fits goes there, without another copy.
  explicit ConnectionMessage(std::span<std::byte> target) noexcept : target_(target) {}
  ConnectionMessage(const ConnectionMessage&) = delete;
  ConnectionMessage& operator=(const ConnectionMessage&) = delete;
  // References that came along are given up.
  ~ConnectionMessage();

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::vector<std::byte> take_bytes() &&;
  [[nodiscard]] std::vector<os::Fd>& descriptors() noexcept { return descriptors_; }

 private:
  friend class ByteConnection;
  friend class detail::ReceivedHandles;
  void split(std::size_t references, std::size_t claims);

  std::span<std::byte> target_;
  std::unique_ptr<std::byte[]> own_;  // of a message that came in its packet alone
  std::vector<std::byte> long_;       // of others that do not fit into the target
  std::span<std::byte> bytes_;
  std::vector<os::Fd> descriptors_;
  std::vector<TravellingReference> references_;
  std::vector<os::Fd> claims_;  // by which the holders are alive, one for each arena
};

namespace detail {

// Collects what a value refers to; the descriptors belong to the value, and stay open until it is sent. Throws UsageError
// for a shared object in an anonymous arena other than the family's, which the receiver cannot attach.
class POLYPROC_API SentHandles final : public HandleTable {
 public:
  SentHandles() noexcept = default;
  ~SentHandles() override;
  [[nodiscard]] std::span<const int> descriptors() const noexcept { return descriptors_; }
  [[nodiscard]] const std::vector<BlockRef>& blocks() const noexcept { return blocks_; }

  std::uint64_t add_block(const BlockRef& block) override;
  std::uint64_t add_descriptor(int descriptor) override;
  BlockRef block(std::uint64_t number) override;
  os::Fd descriptor(std::uint64_t number) override;

 private:
  std::vector<int> descriptors_;
  std::vector<BlockRef> blocks_;  // each once
};

// Gives out the descriptors of a message, each once, and references to the shared objects that it names.
class POLYPROC_API ReceivedHandles final : public HandleTable {
 public:
  explicit ReceivedHandles(ConnectionMessage& message) noexcept : message_(&message) {}
  [[nodiscard]] bool empty() const noexcept {
    return message_->descriptors_.empty() && message_->references_.empty();
  }
  ~ReceivedHandles() override;

  std::uint64_t add_block(const BlockRef& block) override;
  std::uint64_t add_descriptor(int descriptor) override;
  BlockRef block(std::uint64_t number) override;
  os::Fd descriptor(std::uint64_t number) override;

 private:
  ConnectionMessage* message_;
};

}  // namespace detail
}  // namespace polyproc::inline v0
