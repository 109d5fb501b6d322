// SPDX-License-Identifier: MIT
// The hash table behind dicts and sets: entries in the order of their insertion, and places in an open-addressed index.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <polyproc/codec/object.hpp>

namespace polyproc::inline v0::detail {

class Comparison;

struct TableEntry {
  Object key;
  Object value;
  std::size_t hash;
  bool erased = false;
};

class Table {
 public:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size() - erased_; }
  // Erased ones included.
  [[nodiscard]] std::span<const TableEntry> entries() const noexcept { return entries_; }
  [[nodiscard]] std::vector<TableEntry>& raw_entries() noexcept { return entries_; }
  // Its number in entries(), or kNone. Throws TypeMismatch when the key is not hashable.
  [[nodiscard]] std::size_t find(const Object& key) const;
  [[nodiscard]] std::size_t find(const Object& key, std::size_t hash, Comparison& comparison) const;
  // An equal key stays and gets the new value, which is returned.
  const Object& assign(const Object& key, Object value);
  bool erase(const Object& key);
  // The entry that was inserted last, taken out; false when there is none.
  bool take_last(Object& key, Object& value);
  void clear() noexcept;

 private:
  template <class Visit>
  std::size_t probe(std::size_t hash, Visit equal) const;
  void index_entry(std::size_t number) noexcept;
  void rebuild();
  void drop_erased();

  std::vector<TableEntry> entries_;
  std::size_t erased_ = 0;
  std::size_t erased_tail_ = 0;       // so many at the end are known to be erased
  std::vector<std::uint32_t> slots_;  // number + 1 of an entry, 0 where free; none for a few entries
};

}  // namespace polyproc::inline v0::detail
