// SPDX-License-Identifier: MIT
// What stands behind Objects that are no plain numbers: counted nodes. Private to the codec.
#pragma once

#include <atomic>
#include <bit>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <polyproc/codec/object.hpp>

#include "codec/table.hpp"

namespace polyproc::inline v0::detail {

struct Node {
  explicit Node(Kind k) noexcept : kind(k) {}
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  std::atomic<std::uint32_t> references{1};
  Kind kind;
  bool holds_containers = false;  // it has, or had, a list, tuple or dict among its elements or values
  bool cyclic = false;     // it was part of a cycle once: what drops a reference looks whether it is garbage
  bool candidate = false;  // in a Reaper's list of candidates
  std::uint8_t mark = 0;   // for who walks through nodes; 0 otherwise
  std::uint32_t number = 0;  // the same
  Node* link = nullptr;      // the same
  Node* queue = nullptr;     // the same
  Node* work = nullptr;      // the same
};

struct IntegerNode : Node {
  explicit IntegerNode(Integer v) : Node(Kind::integer), value(std::move(v)) {}
  Integer value;  // beyond 64 bits
};
struct NanNode : Node {
  explicit NanNode(double v) noexcept : Node(Kind::floating), value(v) {}
  double value;
};
struct ComplexNode : Node {
  explicit ComplexNode(std::complex<double> v) noexcept : Node(Kind::complex), value(v) {}
  std::complex<double> value;
};
struct TextNode : Node {  // a string in UTF-8, bytes, a bytearray
  TextNode(Kind k, std::string t) noexcept : Node(k), text(std::move(t)) {}
  std::string text;
};
struct SequenceNode : Node {  // a list or tuple
  SequenceNode(Kind k, std::vector<Object> i) noexcept : Node(k), items(std::move(i)) {}
  std::vector<Object> items;
  mutable std::atomic<std::size_t> hash{0};  // of a tuple, once it is known; 0 before
};
// An instance is a sequence of these parts.
enum Part : std::size_t {
  kHow,  // the opcode that makes it
  kCallable,
  kArguments,
  kKeywords,   // of NEWOBJ_EX, else None
  kListItems,  // a list of what is appended to it, or None
  kDictItems,  // a list of keys and values, or None
  kState,      // or None
  kParts
};
struct InstanceNode : SequenceNode {
  using SequenceNode::SequenceNode;
  std::shared_ptr<const void> held;  // what lives as long as the instance
};
struct NameNode : Node {
  NameNode(std::string m, std::string n) noexcept
      : Node(Kind::name), module(std::move(m)), name(std::move(n)) {}
  std::string module, name;
};
struct TableNode : Node {  // a dict, set or frozenset
  explicit TableNode(Kind k) noexcept : Node(k) {}
  Table table;
  mutable std::atomic<std::size_t> hash{0};  // of a frozenset, as above
};

// The private side of Object.
struct ObjectAccess {
  static Object make(Node* node) noexcept { return {node->kind, node}; }
  static bool counted(const Object& object) noexcept { return object.counted_; }
  static std::uint64_t bits(const Object& object) noexcept { return object.bits_; }
  static Node* node(const Object& object) noexcept {
    return object.counted_ ? reinterpret_cast<Node*>(static_cast<std::uintptr_t>(object.bits_)) : nullptr;
  }
  static Node* certain_node(const Object& object) noexcept {
    return reinterpret_cast<Node*>(static_cast<std::uintptr_t>(object.bits_));
  }
  static double floating(const Object& object) noexcept {
    return object.counted_ ? static_cast<NanNode*>(node(object))->value : std::bit_cast<double>(object.bits_);
  }
  static Object floating(double value) noexcept {
    Object object;
    object.kind_ = Kind::floating;
    object.bits_ = std::bit_cast<std::uint64_t>(value);
    return object;
  }
  // Takes the counted reference out.
  static Node* steal(Object& object) noexcept {
    Node* const taken = node(object);
    object.counted_ = false;
    object.kind_ = Kind::none;
    return taken;
  }
};

// Each for an object that is known to have such a node.
inline SequenceNode& sequence(const Object& object) noexcept {
  return *static_cast<SequenceNode*>(ObjectAccess::certain_node(object));
}
inline TableNode& table(const Object& object) noexcept {
  return *static_cast<TableNode*>(ObjectAccess::certain_node(object));
}
inline TextNode& text(const Object& object) noexcept {
  return *static_cast<TextNode*>(ObjectAccess::certain_node(object));
}
inline InstanceNode& instance(const Object& object) noexcept {
  return *static_cast<InstanceNode*>(ObjectAccess::certain_node(object));
}
inline const NameNode& name(const Object& object) noexcept {
  return *static_cast<NameNode*>(ObjectAccess::certain_node(object));
}
inline const Integer* big_integer(const Object& object) noexcept {
  return ObjectAccess::counted(object) ? &static_cast<IntegerNode*>(ObjectAccess::node(object))->value
                                       : nullptr;
}
inline std::int64_t small_integer(const Object& object) noexcept {
  return static_cast<std::int64_t>(ObjectAccess::bits(object));
}
inline std::complex<double> complex(const Object& object) noexcept {
  return static_cast<ComplexNode*>(ObjectAccess::certain_node(object))->value;
}
inline bool is_sequence(Kind kind) noexcept { return kind == Kind::list || kind == Kind::tuple; }
// With a SequenceNode.
inline bool has_items(Kind kind) noexcept { return is_sequence(kind) || kind == Kind::instance; }
inline bool is_set(Kind kind) noexcept { return kind == Kind::set || kind == Kind::frozenset; }
// Those through which a value can contain itself.
inline bool is_link(Kind kind) noexcept { return has_items(kind) || kind == Kind::dict; }

// A string that is UTF-8 already.
[[nodiscard]] Object make_string(std::string utf8);
[[nodiscard]] Object make_name(std::string module, std::string name);
// Bytes as they are, of a string, bytes or bytearray.
[[nodiscard]] Object make_text(Kind kind, std::string text);

// By the opcode REDUCE, NEWOBJ or NEWOBJ_EX.
[[nodiscard]] Object make_instance(std::uint8_t how, Object callable, Object arguments, Object keywords);

// Elements of a list or tuple, parts of an instance, values of a dict, by number: what a walk through a graph visits.
inline std::size_t child_count(const Node& node) noexcept {
  if (has_items(node.kind)) return static_cast<const SequenceNode&>(node).items.size();
  return node.kind == Kind::dict ? static_cast<const TableNode&>(node).table.entries().size() : 0;
}
inline Node* child(const Node& node, std::size_t index) noexcept {
  const Object& object = has_items(node.kind)
                             ? static_cast<const SequenceNode&>(node).items[index]
                             : static_cast<const TableNode&>(node).table.entries()[index].value;
  return is_link(object.kind()) ? ObjectAccess::node(object) : nullptr;
}

// Marks each node that is part of a cycle reachable from one of `roots`.
void mark_cycles(std::span<Node* const> roots);
// To be called after `added` was put into `target`.
void note_insertion(Node& target, const Object& added);

}  // namespace polyproc::inline v0::detail
