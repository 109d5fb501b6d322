// SPDX-License-Identifier: MIT
// Hashes that agree with equality: a whole number hashes alike as bool, int, float and complex.
#include <algorithm>
#include <atomic>
#include <cmath>

#include <polyproc/os/error.hpp>

#include "codec/node.hpp"
#include "codec/sip_hash.hpp"

namespace polyproc::inline v0 {

namespace detail {

namespace {

constexpr std::uint64_t kFraction = 1, kImaginary = 2, kText = 3, kTuple = 4, kSet = 5, kBig = 6, kName = 7,
                        kInstance = 8;

std::size_t hash_double(const Object& object, double value) {
  if (ObjectAccess::counted(object))
    return mix(ObjectAccess::bits(object), kFraction);  // a NaN is itself alone
  if (value == std::trunc(value) && std::isfinite(value)) {
    if (value >= -0x1p63 && value < 0x1p63)
      return mix(static_cast<std::uint64_t>(static_cast<std::int64_t>(value)));
    return Integer::from_double(value).hash(kBig);
  }
  return mix(std::bit_cast<std::uint64_t>(value), kFraction);
}

std::size_t hash_complex(std::complex<double> value) {
  const std::size_t real = Object(value.real()).hash();
  return value.imag() == 0 ? real : mix(real ^ std::bit_cast<std::uint64_t>(value.imag()), kImaginary);
}

std::size_t stored(std::size_t hash) noexcept { return hash == 0 ? 1 : hash; }

// The same in whatever order the elements come.
std::size_t hash_set(const TableNode& node) {
  std::size_t hash = node.hash.load(std::memory_order_relaxed);
  if (hash != 0) return hash;
  for (const TableEntry& entry : node.table.entries()) hash += mix(entry.hash, kSet);
  hash = stored(mix(hash, kSet));
  node.hash.store(hash, std::memory_order_relaxed);
  return hash;
}

std::size_t hash_text(std::string_view text, std::uint64_t salt) {
  return sip_hash(std::as_bytes(std::span(text)), salt);
}

// Of what decides about equality, but only so much of it: the time is bounded, also where parts lie deep within each other, are
// shared, or cannot be hashed by themselves. What Python can hash need not be hashable part by part.
std::size_t hash_instance(const Object& object, int depth) {
  constexpr int kDeepest = 4;
  constexpr std::size_t kMost = 16;
  if (depth == kDeepest) return kInstance;
  if (!has_items(object.kind()))
    return object.kind() == Kind::dict || is_set(object.kind()) ? mix(object.size(), kInstance)
           : object.kind() == Kind::bytearray                   ? mix(object.size(), kText)
                                                                : object.hash();
  const auto& items = sequence(object).items;
  std::size_t hash = mix(items.size(), kInstance);
  for (std::size_t i = 0; i < std::min(items.size(), kMost); ++i)
    hash = mix(hash + hash_instance(items[i], depth + 1), kInstance);
  return hash;
}

std::size_t hash_leaf(const Object& object) {
  switch (object.kind()) {
    case Kind::none:
      return mix(0, kText);
    case Kind::boolean:
    case Kind::integer:
      if (const Integer* big = big_integer(object)) return big->hash(kBig);
      return mix(ObjectAccess::bits(object));
    case Kind::floating:
      return hash_double(object, ObjectAccess::floating(object));
    case Kind::complex:
      return hash_complex(complex(object));
    case Kind::string:
    case Kind::bytes:
      return sip_hash(std::as_bytes(std::span(text(object).text)),
                      object.kind() == Kind::bytes ? kText + 16 : kText);
    case Kind::frozenset:
      return hash_set(table(object));
    case Kind::name:
      return hash_text(name(object).module, hash_text(name(object).name, kName));
    case Kind::instance:
      return hash_instance(object, 0);
    default:
      throw TypeMismatch(
          fmt::format("object: a {} cannot be hashed, so it is no key of a dict and no element of a set",
                      kind_name(object.kind())));
  }
}

const SequenceNode* unhashed_tuple(const Object& object) {
  if (object.kind() != Kind::tuple) return nullptr;
  const SequenceNode& node = sequence(object);
  return node.hash.load(std::memory_order_relaxed) == 0 ? &node : nullptr;
}

// Tuples within tuples: the inner ones first, without recursion.
std::size_t hash_tuple(const Object& object) {
  struct Frame {
    const SequenceNode* node;
    std::size_t next;
    std::uint64_t hash;
  };
  std::vector<Frame> frames;
  if (const SequenceNode* node = unhashed_tuple(object)) frames.push_back({node, 0, kTuple});
  while (!frames.empty()) {
    Frame& frame = frames.back();
    if (frame.next == frame.node->items.size()) {
      frame.node->hash.store(stored(mix(frame.hash, kTuple)), std::memory_order_relaxed);
      frames.pop_back();
      continue;
    }
    const Object& item = frame.node->items[frame.next];
    if (const SequenceNode* inner = unhashed_tuple(item)) {
      frames.push_back({inner, 0, kTuple});
    } else {
      frame.hash = mix(frame.hash + item.hash(), kTuple);
      ++frame.next;
    }
  }
  return sequence(object).hash.load(std::memory_order_relaxed);
}

}  // namespace
}  // namespace detail

std::size_t Object::hash() const {
  return kind_ == Kind::tuple ? detail::hash_tuple(*this) : detail::hash_leaf(*this);
}

}  // namespace polyproc::inline v0
