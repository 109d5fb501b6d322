// SPDX-License-Identifier: MIT
// The order of opcodes is CPython's where a value may be shared: a container is entered into the memo before its
// elements are written, a tuple after them, unless they have entered it already.
#include "codec/object_writer.hpp"

#include <polyproc/codec/decode_error.hpp>

namespace polyproc::inline v0::detail {

namespace {

bool may_be_shared(const Node& node) noexcept {
  return node.cyclic || node.references.load(std::memory_order_relaxed) > 1;
}

}  // namespace

void ObjectWriter::put_reference(Opcode small, Opcode large, std::uint32_t number) {
  out_.room(5);
  if (number < 256)
    out_.put(small), out_.put(static_cast<std::uint8_t>(number));
  else
    out_.put(large), out_.put(number);
}

bool ObjectWriter::is_compound(const Object& value) noexcept {
  return is_link(value.kind()) || is_set(value.kind());
}

void ObjectWriter::check_limit() const {
  if (out_.bytes().size() > limit_)
    throw DecodeError("its parts are repeated so often that the whole is too large for its input", 0);
}

bool ObjectWriter::refer(const Node* node) {
  const auto found = memo_.find(node);
  if (found == memo_.end()) return false;
  put_reference(Opcode::bin_get, Opcode::long_bin_get, found->second);
  return true;
}

void ObjectWriter::remember(const Node* node) {
  const auto number = static_cast<std::uint32_t>(memo_.size());
  memo_.emplace(node, number);
  put_reference(Opcode::bin_put, Opcode::long_bin_put, number);
}

void ObjectWriter::write_leaf(const Object& value) {
  switch (value.kind()) {
    case Kind::none:
      return out_.write_none();
    case Kind::boolean:
      return out_.write_bool(value.as_bool());
    case Kind::integer:
      if (const Integer* big = big_integer(value)) return out_.write_integer(*big);
      return out_.write_int(small_integer(value));
    case Kind::floating:
      return out_.write_float(ObjectAccess::floating(value));
    case Kind::complex:
      return out_.write_complex(complex(value));
    case Kind::string:
      return out_.write_utf8(text(value).text);
    case Kind::bytes:
      return out_.write_bytes(value.as_bytes());
    case Kind::name:
      out_.write_utf8(name(value).module);
      out_.write_utf8(name(value).name);
      return op(Opcode::stack_global);
    default:
      return out_.write_bytearray(value.as_bytes());
  }
}

void ObjectWriter::begin_container(const Node& node) {
  const bool memo = share_ && may_be_shared(node);
  check_limit();
  if (!share_ && node.cyclic)
    throw DecodeError("a value that contains itself is no C++ value; decode it as an Object", 0);
  if (node.kind == Kind::instance) return frames_.push_back({&node, 0, memo, false});
  const bool is_empty = is_sequence(node.kind) ? static_cast<const SequenceNode&>(node).items.empty()
                                               : static_cast<const TableNode&>(node).table.size() == 0;
  if (node.kind == Kind::set) op(Opcode::empty_set);
  if (node.kind == Kind::list && (memo || is_empty)) op(Opcode::empty_list);
  if (node.kind == Kind::dict && (memo || is_empty)) op(Opcode::empty_dict);
  if (node.kind == Kind::tuple && is_empty) op(Opcode::empty_tuple);
  if (memo && (node.kind == Kind::set || node.kind == Kind::list || node.kind == Kind::dict)) remember(&node);
  if (is_empty && !is_set(node.kind)) return;
  op(Opcode::mark);
  frames_.push_back({&node, 0, memo, false});
}

void ObjectWriter::begin(const Object& value) {
  const Node* node = ObjectAccess::node(value);
  if (node == nullptr) return write_leaf(value);
  if (share_ && may_be_shared(*node) && refer(node)) return;
  if (!share_ && node->kind == Kind::instance)
    return out_.write_object(value);  // a reader is to find its end
  if (is_compound(value)) return begin_container(*node);
  check_limit();
  write_leaf(value);
  if (share_ && may_be_shared(*node)) remember(node);
}

void ObjectWriter::end_tuple(const Node& node) {
  if (memo_.contains(&node)) {  // an element has led back here
    op(Opcode::pop_mark);
    refer(&node);
  } else {
    op(node.kind == Kind::tuple ? Opcode::tuple : Opcode::frozen_set);
    if (share_ && may_be_shared(node)) remember(&node);
  }
}

void ObjectWriter::end() {
  const Frame frame = frames_.back();
  frames_.pop_back();
  switch (frame.node->kind) {
    case Kind::list:
      return op(frame.memo ? Opcode::appends : Opcode::list);
    case Kind::dict:
      return op(frame.memo ? Opcode::set_items : Opcode::dict);
    case Kind::set:
      return op(Opcode::add_items);
    default:
      return end_tuple(*frame.node);
  }
}

// What makes it, then what is put into it, one by one.
void ObjectWriter::step_instance(Frame& frame) {
  const auto& parts = static_cast<const SequenceNode*>(frame.node)->items;
  const Opcode how{static_cast<std::uint8_t>(small_integer(parts[kHow]))};
  const auto all = [&](Part part) {
    return parts[part].is_none() ? std::span<const Object>() : parts[part].items();
  };
  const auto list = all(kListItems);
  const auto dict = all(kDictItems);
  std::size_t at = frame.next++;
  if (at == 0) return begin(parts[kCallable]);
  if (at == 1) return begin(parts[kArguments]);
  if (at == 2) {
    if (how == Opcode::new_obj_ex) begin(parts[kKeywords]);
    return;
  }
  at -= 3;
  if (at == 0) {
    op(how);
    if (frame.memo) remember(frame.node);
  } else if (at <= list.size()) {
    op(Opcode::append);
  } else if (at <= list.size() + dict.size()) {
    if ((at - list.size()) % 2 == 0) op(Opcode::set_item);
  }
  if (at < list.size()) return begin(list[at]);
  if (at - list.size() < dict.size()) return begin(dict[at - list.size()]);
  if (at == list.size() + dict.size() && !parts[kState].is_none()) return begin(parts[kState]);
  if (at > list.size() + dict.size()) op(Opcode::build);
  frames_.pop_back();
}

void ObjectWriter::step_table(Frame& frame) {
  const auto entries = static_cast<const TableNode*>(frame.node)->table.entries();
  while (frame.next < entries.size() && entries[frame.next].erased) ++frame.next;
  if (frame.next == entries.size()) return end();
  const TableEntry& entry = entries[frame.next];
  if (frame.value) {
    frame.value = false;
    ++frame.next;
    return begin(entry.value);
  }
  if (frame.node->kind == Kind::dict)
    frame.value = true;
  else
    ++frame.next;
  begin(entry.key);
}

void ObjectWriter::step() {
  Frame& frame = frames_.back();
  if (frame.node->kind == Kind::instance) return step_instance(frame);
  if (!is_sequence(frame.node->kind)) return step_table(frame);
  const auto& items = static_cast<const SequenceNode*>(frame.node)->items;
  if (frame.next == items.size()) return end();
  begin(items[frame.next++]);
}

void ObjectWriter::write(const Object& value) {
  begin(value);
  while (!frames_.empty()) step();
}

}  // namespace polyproc::inline v0::detail
