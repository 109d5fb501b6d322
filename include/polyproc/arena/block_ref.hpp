// SPDX-License-Identifier: MIT
// A counted reference to a block of shared memory: what every typed primitive is a shell around. Copies within a
// process cost one private atomic increment; the block lives until no process and no queued item refers to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include <polyproc/arena/handle.hpp>
#include <polyproc/os/config.hpp>

namespace polyproc::inline v0 {

class Arena;
class ArenaCore;
struct Holding;

// What the elements of a block are: a PEP 3118 format string for raw layouts, "pickle" for encoded values. Bytes.
struct ElementType {
  std::string_view format = "";
  std::uint64_t size = 0;
  std::uint64_t align = 0;
};

// Thread safety: distinct BlockRefs may be used at once, also when they name the same block.
class POLYPROC_API BlockRef {
 public:
  BlockRef() noexcept = default;
  BlockRef(const BlockRef& other) noexcept;
  BlockRef(BlockRef&& other) noexcept
      : holding_(std::exchange(other.holding_, nullptr)), data_(std::exchange(other.data_, nullptr)) {}
  BlockRef& operator=(BlockRef other) noexcept {
    std::swap(holding_, other.holding_);
    std::swap(data_, other.data_);
    return *this;
  }
  ~BlockRef();

  // A new block of `bytes` in the arena. Throws ArenaFull.
  [[nodiscard]] static BlockRef create(const Arena& arena, BlockKind kind, const ElementType& type,
                                       std::uint64_t bytes, bool zeroed = true);
  // The block that a handle names. Throws TypeMismatch when it is of another kind or element type, UsageError when it
  // does not exist any more or its arena is not attached.
  [[nodiscard]] static BlockRef open(const Handle& handle, BlockKind kind, const ElementType& type);
  // The block found in a named arena under `name`, created there by `create` if `make` and absent.
  explicit BlockRef(Holding* holding) noexcept;

  [[nodiscard]] explicit operator bool() const noexcept { return holding_ != nullptr; }
  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  // Throws UsageError, naming `what`, when this reference is empty (moved from, closed).
  void require(std::string_view what) const {
    if (holding_ == nullptr) throw_empty(what);
  }
  [[nodiscard]] std::uint64_t size() const;
  [[nodiscard]] Handle handle() const;
  [[nodiscard]] ElementType type() const;
  [[nodiscard]] BlockKind kind() const;
  [[nodiscard]] ArenaCore& core() const noexcept;
  [[nodiscard]] Arena arena() const;

  friend bool operator==(const BlockRef& a, const BlockRef& b) noexcept { return a.holding_ == b.holding_; }

 private:
  [[noreturn]] static void throw_empty(std::string_view what);

  Holding* holding_ = nullptr;
  std::byte* data_ = nullptr;
};

// Throws TypeMismatch unless the block is of this kind and element type.
POLYPROC_API void check_type(const BlockRef& block, BlockKind kind, const ElementType& type);

// What releases the references inside a block of one kind when its last reference is gone. Runs in whichever process
// dropped the last one, or recovered it from a dead one; must be able to start again where a killed run left off.
using BlockContentsRelease = void (*)(ArenaCore& core, std::uint64_t offset);
void register_contents_release(BlockKind kind, BlockContentsRelease release) noexcept;

}  // namespace polyproc::inline v0
