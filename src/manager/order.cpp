// SPDX-License-Identifier: MIT
#include "manager/order.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "manager/python_error.hpp"

namespace polyproc::inline v0 {
namespace {

constexpr int kDeepest = 1000;  // as Python's recursion limit

bool is_whole(const Object& value) noexcept {
  return value.kind() == Kind::integer || value.kind() == Kind::boolean;
}
bool is_number(const Object& value) noexcept { return is_whole(value) || value.kind() == Kind::floating; }
bool is_bytes(const Object& value) noexcept {
  return value.kind() == Kind::bytes || value.kind() == Kind::bytearray;
}
bool is_set(const Object& value) noexcept {
  return value.kind() == Kind::set || value.kind() == Kind::frozenset;
}

// Exact, whatever the sizes: -1, 0, 1; not a number: 2.
int compare(const Integer& a, double b) {
  if (std::isnan(b)) return 2;
  if (std::isinf(b)) return b > 0 ? -1 : 1;
  const double whole = std::floor(b);
  const auto order = a <=> Integer::from_double(whole);
  if (order != 0) return order < 0 ? -1 : 1;
  return whole < b ? -1 : 0;
}

bool number_less(const Object& a, const Object& b) {
  if (is_whole(a) && is_whole(b)) return a.as_integer() < b.as_integer();
  if (!is_whole(a) && !is_whole(b)) return a.as_double() < b.as_double();
  return is_whole(a) ? compare(a.as_integer(), b.as_double()) == -1
                     : compare(b.as_integer(), a.as_double()) == 1;
}

bool bytes_less(std::span<const std::byte> a, std::span<const std::byte> b) {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
}

bool less(const Object& a, const Object& b, int depth);

bool sequence_less(std::span<const Object> a, std::span<const Object> b, int depth) {
  if (depth > kDeepest) throw PythonError("RecursionError", "maximum recursion depth exceeded in comparison");
  const std::size_t common = std::min(a.size(), b.size());
  for (std::size_t i = 0; i < common; ++i)
    if (!a[i].same(b[i]) && a[i] != b[i]) return less(a[i], b[i], depth + 1);
  return a.size() < b.size();
}

bool is_subset(const Object& a, const Object& b) {
  if (a.size() >= b.size()) return false;
  for (const auto& [element, nothing] : a.entries())
    if (!b.contains(element)) return false;
  return true;
}

bool less(const Object& a, const Object& b, int depth) {
  if (is_number(a) && is_number(b)) return number_less(a, b);
  if (a.kind() == Kind::string && b.kind() == Kind::string) return a.as_utf8() < b.as_utf8();  // by character
  if (is_bytes(a) && is_bytes(b)) return bytes_less(a.as_bytes(), b.as_bytes());
  if (a.kind() == b.kind() && (a.kind() == Kind::list || a.kind() == Kind::tuple))
    return sequence_less(a.items(), b.items(), depth);
  if (is_set(a) && is_set(b)) return is_subset(a, b);
  throw PythonError("TypeError", fmt::format("'<' not supported between instances of '{}' and '{}'",
                                             kind_name(a.kind()), kind_name(b.kind())));
}

}  // namespace

bool is_less(const Object& a, const Object& b) { return less(a, b, 0); }

}  // namespace polyproc::inline v0
