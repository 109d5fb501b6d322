// SPDX-License-Identifier: MIT
#include "manager/slice.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "manager/arguments.hpp"
#include "manager/python_error.hpp"

namespace polyproc::inline v0 {
namespace {

// Numbers of any size, within what a length can be.
std::int64_t clamped(const Object& value) {
  if (value.kind() != Kind::integer && value.kind() != Kind::boolean)
    throw PythonError("TypeError", "slice indices must be integers or None");
  const Integer number = value.as_integer();
  const auto small = number.to_int64();
  if (!small) return number.negative() ? INT64_MIN + 1 : INT64_MAX;
  return std::max<std::int64_t>(*small, INT64_MIN + 1);
}

std::int64_t bound(const Object& value, std::int64_t otherwise, std::int64_t size, std::int64_t least,
                   std::int64_t most) {
  if (value.is_none()) return otherwise;
  const std::int64_t given = clamped(value);
  return std::clamp(given < 0 ? given + size : given, least, most);
}

}  // namespace

std::optional<Slice> slice_from(const Object& value, std::size_t size) {
  if (value.kind() != Kind::instance || value.callable().kind() != Kind::name ||
      value.callable().qualified_name() != "slice")
    return std::nullopt;
  const auto parts = value.arguments().items();
  if (parts.size() != 3) throw PythonError("TypeError", "a damaged slice");
  const std::int64_t step = parts[2].is_none() ? 1 : clamped(parts[2]);
  if (step == 0) throw PythonError("ValueError", "slice step cannot be zero");
  const auto count = static_cast<std::int64_t>(size);
  const bool forward = step > 0;
  const std::int64_t least = forward ? 0 : -1;
  const std::int64_t most = forward ? count : count - 1;
  const std::int64_t start = bound(parts[0], forward ? least : most, count, least, most);
  const std::int64_t stop = bound(parts[1], forward ? most : least, count, least, most);
  const std::int64_t span = forward ? stop - start : start - stop;
  const auto stride = static_cast<std::uint64_t>(forward ? step : -step);
  const std::uint64_t length = span <= 0 ? 0 : (static_cast<std::uint64_t>(span) - 1) / stride + 1;
  return Slice{start, step, static_cast<std::size_t>(length)};
}

std::size_t place_from(const Object& index, std::size_t size, std::string_view what) {
  if (index.kind() != Kind::integer && index.kind() != Kind::boolean)
    throw PythonError("TypeError", fmt::format("{} indices must be integers or slices, not {}", what,
                                               kind_name(index.kind())));
  std::int64_t place = index_from(index);
  if (place < 0) place += static_cast<std::int64_t>(size);
  if (place < 0 || place >= static_cast<std::int64_t>(size))
    throw PythonError("IndexError", fmt::format("{} index out of range", what));
  return static_cast<std::size_t>(place);
}

std::vector<Object> take_slice(const std::vector<Object>& items, const Slice& slice) {
  std::vector<Object> taken;
  taken.reserve(slice.length);
  for (std::size_t i = 0; i < slice.length; ++i) taken.push_back(items[slice[i]]);
  return taken;
}

void set_slice(std::vector<Object>& items, const Slice& slice, std::vector<Object> values) {
  if (slice.step == 1) {
    const auto first = items.begin() + slice.start;
    const auto after = items.erase(first, first + static_cast<std::ptrdiff_t>(slice.length));
    items.insert(after, std::move_iterator(values.begin()), std::move_iterator(values.end()));
    return;
  }
  if (values.size() != slice.length)
    throw PythonError("ValueError",
                      fmt::format("attempt to assign sequence of size {} to extended slice of size {}",
                                  values.size(), slice.length));
  for (std::size_t i = 0; i < slice.length; ++i) items[slice[i]] = std::move(values[i]);
}

void erase_slice(std::vector<Object>& items, const Slice& slice) {
  std::vector<bool> erased(items.size());
  for (std::size_t i = 0; i < slice.length; ++i) erased[slice[i]] = true;
  std::size_t i = 0;
  std::erase_if(items, [&](const Object&) { return erased[i++]; });
}

}  // namespace polyproc::inline v0
