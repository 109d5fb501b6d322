// SPDX-License-Identifier: MIT
// Whether two values are equal, as Python says, without recursion through lists, tuples and dicts, and in time that
// grows with the size of the values however often their parts are shared.
#pragma once

#include <cstddef>
#include <functional>
#include <unordered_set>
#include <utility>
#include <vector>

#include <polyproc/codec/object.hpp>

namespace polyproc::inline v0::detail {

struct Node;

// Equal, or the same: what decides about elements and keys. A NaN is equal to itself here.
[[nodiscard]] bool equal_elements(const Object& a, const Object& b);

class Comparison {
 public:
  [[nodiscard]] bool equal(const Object& a, const Object& b);
  [[nodiscard]] bool keys_equal(const Object& a, const Object& b);

 private:
  using Pair = std::pair<const Node*, const Node*>;
  struct HashPair {
    std::size_t operator()(const Pair& pair) const noexcept {
      return std::hash<const void*>()(pair.first) * 31 + std::hash<const void*>()(pair.second);
    }
  };
  bool visit(const Object& a, const Object& b);
  bool visit_sequences(const Object& a, const Object& b);
  bool visit_dicts(const Object& a, const Object& b);
  bool sets_equal(const Object& a, const Object& b);
  bool is_known(const Object& a, const Object& b);
  bool run(std::size_t until);

  std::vector<std::pair<const Object*, const Object*>> pending_;
  // Pairs that are equal if all that is still to be compared is; kept for parts that occur more than once.
  std::unordered_set<Pair, HashPair> known_;
  std::vector<Pair> known_order_;
  int depth_ = 0;  // of sets within sets
};

}  // namespace polyproc::inline v0::detail
