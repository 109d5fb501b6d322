// SPDX-License-Identifier: MIT
// Instances of classes: kept as the parts that they are made of, in the order in which Python would put them together.
#include <polyproc/codec/decode_error.hpp>

#include "codec/loader.hpp"
#include "codec/node.hpp"

namespace polyproc::inline v0::detail {

void Loader::push_instance(Opcode how, const Slot& callee, Object arguments, Object keywords) {
  if (callee.value.kind() != Kind::name && callee.value.kind() != Kind::instance)
    fail("a call of what is no class");
  push(
      make_instance(static_cast<std::uint8_t>(how), callee.value, std::move(arguments), std::move(keywords)));
}

void Loader::fill_instance(Object& instance, Slots slots, std::size_t part) {
  SequenceNode& node = sequence(instance);
  if (!node.items[kState].is_none()) fail("elements for an instance that has its state already");
  if (part == kDictItems && slots.size() % 2 != 0) fail("a key without a value");
  if (part == kListItems && !node.items[kDictItems].is_none()) fail("elements behind entries");
  if (node.items[part].is_none()) node.items[part] = Object::list();
  node.holds_containers = true;
  append(node.items[part], slots);
}

bool Loader::step_instance(Opcode op) {
  if (!keeps_classes_) return false;
  if (op == Opcode::new_obj || op == Opcode::new_obj_ex) {
    Object keywords = op == Opcode::new_obj_ex ? pop_value() : Object();
    Object arguments = pop_value();
    if (arguments.kind() != Kind::tuple || (op == Opcode::new_obj_ex && keywords.kind() != Kind::dict))
      fail("arguments of a class are expected");
    push_instance(op, pop(), std::move(arguments), std::move(keywords));
    return true;
  }
  if (op != Opcode::build) return false;
  Object state = pop_value();
  if (top().value.kind() != Kind::instance) fail("a state for what is no instance");
  SequenceNode& node = sequence(top().value);
  if (!node.items[kState].is_none()) fail("a second state for one instance");
  node.holds_containers |= is_link(state.kind());
  node.items[kState] = std::move(state);
  return true;
}

}  // namespace polyproc::inline v0::detail
