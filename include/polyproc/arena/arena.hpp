// SPDX-License-Identifier: MIT
// An arena: one heap of shared memory for a family of processes, or, named, for programs with no common ancestor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <polyproc/arena/block_ref.hpp>
#include <polyproc/os/config.hpp>

namespace polyproc::inline v0 {

struct ArenaOptions {
  // Most memory that the arena may occupy, in bytes. 0: nine tenths of what the machine and the control groups leave
  // when the arena is made.
  std::uint64_t limit = 0;
  // Address space that every attached process maps, in bytes. 0: 1 TiB, less where address space or file sizes are
  // limited and under valgrind.
  std::uint64_t reserve = 0;
};

struct ArenaStats {
  std::uint64_t limit;  // bytes, as all but the counts
  std::uint64_t used;   // memory behind blocks in use and their tables
  std::uint64_t warm;   // free, kept for reuse
  std::uint64_t blocks;
  std::uint64_t processes;  // attached, dead ones that were not recovered yet included
};

// What Arena::check found. `errors` is empty when the arena is consistent.
struct ArenaReport {
  std::vector<std::string> errors;
  std::uint64_t pages = 0;
  std::uint64_t blocks = 0;
  [[nodiscard]] bool clean() const noexcept { return errors.empty(); }
};

struct NamedArena {
  std::string name;
  std::uint64_t bytes;  // memory that it occupies
  bool attached;        // by any process
};

// A handle to an attached arena; copies are further handles. Thread-safe. A named arena is detached when the last
// handle and the last object in it are gone from this process; the family's arena stays for good.
class POLYPROC_API Arena {
 public:
  // The arena of this process and all that descend from it; made at the first call.
  static Arena family();
  // Options of the family's arena, before its first use; throws UsageError after it.
  static void configure_family(const ArenaOptions& options);

  // An anonymous arena of its own.
  static Arena anonymous(const ArenaOptions& options = {});

  // Named arenas are files, readable by their owner only, in directory(). A name has 1 to 200 of the characters
  // A-Z a-z 0-9 . _ - and does not begin with a dot; anything else is InvalidArgument. create throws OsError (EEXIST)
  // when the name is taken, open OsError (ENOENT) when there is none, TypeMismatch when it was written by another
  // layout version, word size or page size, OsError (EPERM) when another user owns it.
  static Arena create(const std::string& name, const ArenaOptions& options = {});
  static Arena open(const std::string& name);
  static Arena open_or_create(const std::string& name, const ArenaOptions& options = {});
  static std::vector<NamedArena> list();
  // Throws UsageError while any process is attached.
  static void remove(const std::string& name);
  // Removes every named arena of this user that nobody is attached to; the number removed.
  static std::size_t clean();
  // The folder of named arenas: POLYPROC_DIR, else /dev/shm.
  static std::string directory();

  [[nodiscard]] std::string name() const;
  [[nodiscard]] std::uint64_t id() const;
  [[nodiscard]] ArenaStats stats() const;
  // Walks all structures, with the arena locked: for tests and tools.
  [[nodiscard]] ArenaReport check() const;
  // Returns to the arena what killed processes held, and free memory to the system; the number of processes found dead.
  std::size_t recover() const;

  // Objects by name. find gives nothing for an absent name; publish throws OsError (EEXIST) for a taken one;
  // withdraw is false for an absent one. A published object lives until it is withdrawn.
  [[nodiscard]] std::optional<BlockRef> find(std::string_view name) const;
  void publish(std::string_view name, const BlockRef& object) const;
  bool withdraw(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> names() const;
  // The object under `name`, or the one that `make` gives, published.
  [[nodiscard]] BlockRef find_or_publish(std::string_view name, const std::function<BlockRef()>& make) const;

  explicit Arena(std::shared_ptr<ArenaCore> core) noexcept : core_(std::move(core)) {}
  // A move is a copy: there is no empty handle.
  Arena(const Arena&) noexcept = default;
  Arena& operator=(const Arena&) noexcept = default;
  [[nodiscard]] ArenaCore& core() const noexcept { return *core_; }

  friend bool operator==(const Arena&, const Arena&) = default;

 private:
  std::shared_ptr<ArenaCore> core_;
};

}  // namespace polyproc::inline v0
