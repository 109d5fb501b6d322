// SPDX-License-Identifier: MIT
// The opcodes that make containers of what is on the stack, and fill them.
#include "codec/loader.hpp"

#include "codec/node.hpp"

namespace polyproc::inline v0::detail {

void Loader::make_tuple(Slots slots) {
  Object tuple = Object::tuple(values(slots));
  drop(slots);
  push(std::move(tuple));
}

void Loader::make_dict(Slots slots) {
  Object dict = Object::dict();
  set_items(dict, slots);
  drop(slots);
  push(std::move(dict));
}

void Loader::make_frozenset(Slots slots) {
  Object set = Object::frozenset(values(slots));
  drop(slots);
  push(std::move(set));
}

// A list or dict, or an instance that Python fills like one.
void Loader::fill(Object& target, Slots slots, Kind kind) {
  if (target.kind() == Kind::instance)
    return fill_instance(target, slots, kind == Kind::list ? kListItems : kDictItems);
  if (target.kind() != kind) fail(fmt::format("elements for a {}, and there is none", kind_name(kind)));
  if (kind == Kind::list)
    append(target, slots);
  else
    set_items(target, slots);
}

void Loader::append(Object& list, Slots slots) {
  SequenceNode& node = sequence(list);
  for (Slot& slot : slots) {
    check_value(slot);
    node.holds_containers |= is_link(slot.value.kind());
    node.items.push_back(std::move(slot.value));
  }
}

void Loader::set_items(Object& dict, Slots slots) {
  if (slots.size() % 2 != 0) fail("a key without a value");
  TableNode& node = detail::table(dict);
  for (std::size_t i = 0; i < slots.size(); i += 2) {
    check_value(slots[i]);
    check_value(slots[i + 1]);
    node.holds_containers |= is_link(slots[i + 1].value.kind());
    // What a later value of the same key replaces may contain itself.
    if (const Object* old = may_be_cyclic_ ? dict.find(slots[i].value) : nullptr) displaced_.push_back(*old);
    node.table.assign(slots[i].value, std::move(slots[i + 1].value));
  }
}

void Loader::add_items(Object& set, Slots slots) {
  for (Slot& slot : slots) {
    check_value(slot);
    detail::table(set).table.assign(slot.value, Object());
  }
}

// A call is made for what it does to its arguments, and its result, which nobody refers to, is dropped.
void Loader::check_dropped() const {
  if (displaced_.empty() || displaced_.back().kind() != Kind::instance) return;
  if (ObjectAccess::node(displaced_.back())->references.load(std::memory_order_relaxed) == 1)
    fail("an instance is made and dropped: what Python would have done by it cannot be kept");
}

bool Loader::step_structure(Opcode op) {
  switch (op) {
    case Opcode::mark:
      marks_.push_back(stack_.size());
      return true;
    case Opcode::empty_list:
      push(Object::list());
      return true;
    case Opcode::empty_tuple:
      push(Object::tuple());
      return true;
    case Opcode::empty_dict:
      push(Object::dict());
      return true;
    case Opcode::empty_set:
      push(Object::set());
      return true;
    case Opcode::tuple:
      make_tuple(above_mark());
      return true;
    case Opcode::tuple1:
      make_tuple(last(1));
      return true;
    case Opcode::tuple2:
      make_tuple(last(2));
      return true;
    case Opcode::tuple3:
      make_tuple(last(3));
      return true;
    case Opcode::list: {
      const Slots slots = above_mark();
      Object list = Object::list(values(slots));
      drop(slots);
      push(std::move(list));
      return true;
    }
    case Opcode::dict:
      make_dict(above_mark());
      return true;
    case Opcode::frozen_set:
      make_frozenset(above_mark());
      return true;
    case Opcode::append: {
      Object item = pop_value();
      Slot slot{std::move(item)};
      fill(top_of(Kind::list), Slots(&slot, 1), Kind::list);
      return true;
    }
    case Opcode::appends: {
      const Slots slots = above_mark_under(Kind::list);
      fill(stack_[stack_.size() - slots.size() - 1].value, slots, Kind::list);
      drop(slots);
      return true;
    }
    case Opcode::set_item: {
      const Slots slots = last(3).subspan(1);
      fill(stack_[stack_.size() - 3].value, slots, Kind::dict);
      drop(slots);
      return true;
    }
    case Opcode::set_items: {
      const Slots slots = above_mark_under(Kind::dict);
      fill(stack_[stack_.size() - slots.size() - 1].value, slots, Kind::dict);
      drop(slots);
      return true;
    }
    case Opcode::add_items: {
      const Slots slots = above_mark_under(Kind::set);
      add_items(stack_[stack_.size() - slots.size() - 1].value, slots);
      drop(slots);
      return true;
    }
    case Opcode::pop:
      if (!marks_.empty() && marks_.back() == stack_.size())
        marks_.pop_back();
      else
        displaced_.push_back(pop().value);
      check_dropped();
      return true;
    case Opcode::pop_mark: {
      const Slots slots = above_mark();
      for (const Slot& slot : slots) displaced_.push_back(slot.value);
      drop(slots);
      return true;
    }
    case Opcode::dup:
      stack_.push_back(top());
      note_links(stack_.back().value);
      displaced_.push_back(stack_.back().value);
      return true;
    default:
      return false;
  }
}

}  // namespace polyproc::inline v0::detail
