// SPDX-License-Identifier: MIT
// One arena's file mapped into this process, and the translation between offsets and addresses. The range that is
// mapped once reaches far beyond the file's end; the file grows below it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include <polyproc/os/fd.hpp>

#include "arena/layout.hpp"
#include "os/file_id.hpp"

namespace polyproc::inline v0 {

// Another open file description of the same file.
[[nodiscard]] os::Fd reopen_file(int fd);

class Region {
 public:
  // Maps `reserve` bytes of the file. No byte is to be locked through this description, whose mapping children inherit:
  // see life.hpp. `name` is for messages.
  Region(os::Fd fd, std::uint64_t reserve, std::string name, bool on_file_system);
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;
  ~Region();

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  // A descriptor of the file; -1 when the host has closed ours and the file cannot be found again (lost_file.hpp).
  [[nodiscard]] int fd() const noexcept;
  [[nodiscard]] const os::FileId& file() const noexcept { return file_; }
  [[nodiscard]] bool on_file_system() const noexcept { return on_file_system_; }
  // Another open file description of the same file.
  [[nodiscard]] os::Fd reopen() const;

  [[nodiscard]] ArenaHeader& header() const noexcept { return *reinterpret_cast<ArenaHeader*>(base_); }
  [[nodiscard]] PageDescriptor& page(std::uint64_t index) const;

  // The object at an offset that was read from shared memory: checked against the mapping before use.
  template <class T>
  [[nodiscard]] T& at(std::uint64_t offset) const {
    check_range(offset, sizeof(T), alignof(T));
    return *reinterpret_cast<T*>(base_ + offset);
  }
  [[nodiscard]] std::byte* bytes(std::uint64_t offset, std::uint64_t count) const {
    check_range(offset, count, 1);
    return base_ + offset;
  }
  [[nodiscard]] std::uint64_t offset_of(const void* address) const noexcept {
    return static_cast<std::uint64_t>(static_cast<const std::byte*>(address) - base_);
  }

  // Throws ArenaFull when the file may not reach to `end`.
  void require_file_size(std::uint64_t end) const;
  // Puts memory behind [offset, offset + count), zeroed where there was none; throws ArenaFull.
  void commit(std::uint64_t offset, std::uint64_t count) const;
  // Gives the memory back to the system; the range reads as zeros afterwards. False when the system refuses.
  bool punch(std::uint64_t offset, std::uint64_t count) const noexcept;

  [[nodiscard]] static std::uint64_t default_reserve() noexcept;

 private:
  void check_range(std::uint64_t offset, std::uint64_t count, std::uint64_t align) const {
    if (count > reserve_ || offset > reserve_ - count || (offset & (align - 1)) != 0)
      throw_bad_offset(offset, count);
  }
  [[noreturn]] void throw_bad_offset(std::uint64_t offset, std::uint64_t count) const;

  [[nodiscard]] int replace_lost(int fd) const noexcept;
  // As fd(); throws UsageError when there is none.
  [[nodiscard]] int require_fd() const;

  os::FileId file_;
  mutable std::atomic<int> fd_;  // ours as long as it leads to `file_`
  std::byte* base_;
  std::uint64_t reserve_;
  std::string name_;
  bool on_file_system_;
};

}  // namespace polyproc::inline v0
