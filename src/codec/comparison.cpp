// SPDX-License-Identifier: MIT
// Python's equality.
#include "codec/comparison.hpp"

#include <cmath>

#include <polyproc/os/error.hpp>

#include "codec/node.hpp"

namespace polyproc::inline v0::detail {

namespace {

// Sets are compared by recursion: a set's elements are looked up in the other.
constexpr int kDeepestSets = 400;

bool is_number(Kind kind) noexcept {
  return kind == Kind::boolean || kind == Kind::integer || kind == Kind::floating || kind == Kind::complex;
}

bool equal_to_double(const Object& whole, double value) {
  if (!std::isfinite(value) || value != std::trunc(value)) return false;
  if (const Integer* big = big_integer(whole)) return *big == Integer::from_double(value);
  if (value < -0x1p63 || value >= 0x1p63) return false;
  return static_cast<std::int64_t>(value) == small_integer(whole);
}

bool equal_wholes(const Object& a, const Object& b) {
  const Integer* x = big_integer(a);
  const Integer* y = big_integer(b);
  if (x != nullptr && y != nullptr) return *x == *y;
  return x == y && small_integer(a) == small_integer(b);
}

bool equal_numbers(const Object& a, const Object& b) {
  if (b.kind() == Kind::complex) {
    if (a.kind() == Kind::complex) return complex(a) == complex(b);
    return complex(b).imag() == 0 && equal_numbers(a, Object(complex(b).real()));
  }
  if (a.kind() == Kind::complex) return equal_numbers(b, a);
  const bool a_floats = a.kind() == Kind::floating;
  const bool b_floats = b.kind() == Kind::floating;
  if (a_floats && b_floats) return ObjectAccess::floating(a) == ObjectAccess::floating(b);
  if (a_floats) return equal_to_double(b, ObjectAccess::floating(a));
  if (b_floats) return equal_to_double(a, ObjectAccess::floating(b));
  return equal_wholes(a, b);
}

bool is_bytes(Kind kind) noexcept { return kind == Kind::bytes || kind == Kind::bytearray; }

bool equal_leaves(const Object& a, const Object& b) {
  if (is_number(a.kind())) return is_number(b.kind()) && equal_numbers(a, b);
  if (is_bytes(a.kind())) return is_bytes(b.kind()) && text(a).text == text(b).text;
  if (a.kind() != b.kind()) return false;
  if (a.kind() == Kind::name) return name(a).module == name(b).module && name(a).name == name(b).name;
  return a.kind() == Kind::none || text(a).text == text(b).text;
}

bool is_container(Kind kind) noexcept { return is_link(kind) || is_set(kind); }

}  // namespace

bool Comparison::is_known(const Object& a, const Object& b) {
  const Node* x = ObjectAccess::node(a);
  const Node* y = ObjectAccess::node(b);
  if (x->references.load(std::memory_order_relaxed) < 2 || y->references.load(std::memory_order_relaxed) < 2)
    return false;
  if (!known_.emplace(x, y).second) return true;
  known_order_.emplace_back(x, y);
  return false;
}

bool Comparison::visit_sequences(const Object& a, const Object& b) {
  const auto& left = sequence(a).items;
  const auto& right = sequence(b).items;
  if (a.kind() != b.kind() || left.size() != right.size()) return false;
  if (is_known(a, b)) return true;
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (!visit(left[i], right[i])) return false;
  }
  return true;
}

bool Comparison::visit_dicts(const Object& a, const Object& b) {
  const Table& left = table(a).table;
  const Table& right = table(b).table;
  if (b.kind() != Kind::dict || left.size() != right.size()) return false;
  if (is_known(a, b)) return true;
  for (const TableEntry& entry : left.entries()) {
    if (entry.erased) continue;
    const std::size_t found = right.find(entry.key, entry.hash, *this);
    if (found == Table::kNone || !visit(entry.value, right.entries()[found].value)) return false;
  }
  return true;
}

bool Comparison::sets_equal(const Object& a, const Object& b) {
  const Table& left = table(a).table;
  const Table& right = table(b).table;
  if (!is_set(b.kind()) || left.size() != right.size()) return false;
  if (is_known(a, b)) return true;
  for (const TableEntry& entry : left.entries()) {
    if (!entry.erased && right.find(entry.key, entry.hash, *this) == Table::kNone) return false;
  }
  return true;
}

// Leaves are compared at once, the rest is put off.
bool Comparison::visit(const Object& a, const Object& b) {
  if (a.same(b)) return true;
  if (!is_container(a.kind()) || !is_container(b.kind()))
    return !is_container(a.kind()) && !is_container(b.kind()) && equal_leaves(a, b);
  pending_.emplace_back(&a, &b);
  return true;
}

bool Comparison::run(std::size_t until) {
  while (pending_.size() > until) {
    const auto [a, b] = pending_.back();
    pending_.pop_back();
    const Kind kind = a->kind();
    if (!(has_items(kind)      ? has_items(b->kind()) && visit_sequences(*a, *b)
          : kind == Kind::dict ? visit_dicts(*a, *b)
                               : sets_equal(*a, *b)))
      return false;
  }
  return true;
}

bool Comparison::equal(const Object& a, const Object& b) {
  if (!is_container(a.kind()) || !is_container(b.kind()))
    return !is_container(a.kind()) && !is_container(b.kind()) && equal_leaves(a, b);
  return visit(a, b) && run(0);
}

// In the course of another comparison; a failure here need not be one there, so what was taken for known is given up.
bool Comparison::keys_equal(const Object& a, const Object& b) {
  if (depth_ == kDeepestSets) throw TypeMismatch("compare: sets are nested too deeply to be compared");
  const std::size_t pending = pending_.size();
  const std::size_t known = known_order_.size();
  ++depth_;
  const bool equal = visit(a, b) && run(pending);
  --depth_;
  if (equal) return true;
  pending_.resize(pending);
  for (; known_order_.size() > known; known_order_.pop_back()) known_.erase(known_order_.back());
  return false;
}

bool equal_elements(const Object& a, const Object& b) {
  if (a.same(b)) return true;
  if (!is_container(a.kind()) || !is_container(b.kind()))
    return !is_container(a.kind()) && !is_container(b.kind()) && equal_leaves(a, b);
  return Comparison().keys_equal(a, b);
}

}  // namespace polyproc::inline v0::detail

namespace polyproc::inline v0 {

bool operator==(const Object& a, const Object& b) { return detail::Comparison().equal(a, b); }

}  // namespace polyproc::inline v0
