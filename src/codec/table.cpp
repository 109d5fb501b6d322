// SPDX-License-Identifier: MIT
// Searching, inserting and erasing. An erased entry keeps its slot until the index is made anew.
#include "codec/table.hpp"

#include <limits>
#include <stdexcept>
#include <utility>

#include "codec/comparison.hpp"

namespace polyproc::inline v0::detail {

namespace {

constexpr std::size_t kWithoutIndex = 8;
constexpr std::size_t kMostEntries = std::numeric_limits<std::uint32_t>::max() - 1;

}  // namespace

template <class Visit>
std::size_t Table::probe(std::size_t hash, Visit equal) const {
  const auto matches = [&](std::size_t number) {
    const TableEntry& entry = entries_[number];
    return !entry.erased && entry.hash == hash && equal(entry.key);
  };
  if (slots_.empty()) {
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      if (matches(i)) return i;
    }
    return kNone;
  }
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = hash & mask; slots_[at] != 0; at = (at + 1) & mask) {
    if (matches(slots_[at] - 1)) return slots_[at] - 1;
  }
  return kNone;
}

std::size_t Table::find(const Object& key, std::size_t hash, Comparison& comparison) const {
  return probe(hash, [&](const Object& other) { return comparison.keys_equal(key, other); });
}

std::size_t Table::find(const Object& key) const {
  const std::size_t hash = key.hash();
  return probe(hash, [&](const Object& other) { return equal_elements(key, other); });
}

void Table::index_entry(std::size_t number) noexcept {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = entries_[number].hash & mask;
  while (slots_[at] != 0) at = (at + 1) & mask;
  slots_[at] = static_cast<std::uint32_t>(number + 1);
}

void Table::rebuild() {
  std::size_t size = 4 * kWithoutIndex;
  while (size < entries_.size() * 2) size *= 2;
  slots_.assign(size, 0);
  for (std::size_t i = 0; i < entries_.size(); ++i) index_entry(i);
}

void Table::drop_erased() {
  std::erase_if(entries_, [](const TableEntry& entry) { return entry.erased; });
  erased_ = erased_tail_ = 0;
  if (!slots_.empty()) rebuild();
}

const Object& Table::assign(const Object& key, Object value) {
  const std::size_t hash = key.hash();
  const std::size_t found = probe(hash, [&](const Object& other) { return equal_elements(key, other); });
  if (found != kNone) {
    std::swap(entries_[found].value, value);
    return entries_[found].value;
  }
  if (entries_.size() >= kMostEntries) throw std::length_error("a dict or set of 4 billion entries");
  entries_.push_back({key, std::move(value), hash});
  erased_tail_ = 0;
  if (entries_.size() > kWithoutIndex) {
    if (slots_.size() < entries_.size() + entries_.size() / 2)
      rebuild();
    else
      index_entry(entries_.size() - 1);
  }
  return entries_.back().value;
}

bool Table::erase(const Object& key) {
  const std::size_t found = find(key);
  if (found == kNone) return false;
  entries_[found].erased = true;
  ++erased_;
  const Object dropped_key = std::exchange(entries_[found].key, Object());
  const Object dropped_value = std::exchange(entries_[found].value, Object());
  if (erased_ > kWithoutIndex && erased_ > entries_.size() / 2) drop_erased();
  return true;
}

bool Table::take_last(Object& key, Object& value) {
  if (size() == 0) return false;
  while (entries_[entries_.size() - 1 - erased_tail_].erased) ++erased_tail_;
  TableEntry& entry = entries_[entries_.size() - 1 - erased_tail_++];
  entry.erased = true;
  ++erased_;
  key = std::exchange(entry.key, Object());
  value = std::exchange(entry.value, Object());
  if (erased_ > kWithoutIndex && erased_ > entries_.size() / 2) drop_erased();
  return true;
}

void Table::clear() noexcept {
  entries_.clear();
  slots_.clear();
  erased_ = erased_tail_ = 0;
}

}  // namespace polyproc::inline v0::detail
