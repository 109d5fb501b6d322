// SPDX-License-Identifier: MIT
#include "manager/dict_object.hpp"

#include <algorithm>

namespace polyproc::inline v0 {
namespace {

void put_pair(Object& dict, const Object& pair, std::size_t number) {
  const auto parts = elements_of(pair);
  if (parts.size() != 2)
    throw PythonError("ValueError",
                      fmt::format("dictionary update sequence element #{} has length {}; 2 is required",
                                  number, parts.size()));
  dict.set(parts[0], parts[1]);
}

void merge(Object& dict, const Object& more) {
  if (more.kind() == Kind::dict) {
    for (const auto& [key, value] : more.entries()) dict.set(key, value);
    return;
  }
  std::size_t number = 0;
  for (const Object& pair : elements_of(more)) put_pair(dict, pair, number++);
}

// dict(...) and update(...)
void fill(Object& dict, const Arguments& arguments) {
  const auto given = arguments.positional();
  if (given.size() > 1)
    throw PythonError("TypeError", fmt::format("update expected at most 1 argument, got {}", given.size()));
  if (!given.empty()) merge(dict, given[0]);
  merge(dict, arguments.keywords());
}

std::vector<Object> keys_of(const Object& dict) { return elements_of(dict); }

Object python_iterator(std::vector<Object> items) {
  return Object::instance(Object::name("builtins", "iter"), Object::tuple({Object::list(std::move(items))}));
}

}  // namespace

const Methods<IteratorObject>& IteratorObject::methods() {
  static const Methods<IteratorObject> all{{"__next__", &IteratorObject::next},
                                           {"send", &IteratorObject::next},
                                           {"throw", &IteratorObject::close},
                                           {"close", &IteratorObject::close}};
  return all;
}

std::optional<Answer> IteratorObject::next(Call&) {
  if (at_ == items_.size()) throw PythonError("StopIteration");
  return items_[at_++];
}

std::optional<Answer> IteratorObject::close(Call&) {
  at_ = items_.size();
  return Object();
}

const Methods<DictObject>& DictObject::methods() {
  static const Methods<DictObject> all{{"__getitem__", &DictObject::get_item},
                                       {"__setitem__", &DictObject::set_item},
                                       {"__delitem__", &DictObject::delete_item},
                                       {"__len__", &DictObject::length},
                                       {"__contains__", &DictObject::contains},
                                       {"__iter__", &DictObject::iterate},
                                       {"__reversed__", &DictObject::reversed},
                                       {"clear", &DictObject::clear},
                                       {"copy", &DictObject::copy},
                                       {"get", &DictObject::get},
                                       {"items", &DictObject::items},
                                       {"keys", &DictObject::keys},
                                       {"values", &DictObject::values},
                                       {"pop", &DictObject::pop},
                                       {"popitem", &DictObject::pop_item},
                                       {"setdefault", &DictObject::set_default},
                                       {"update", &DictObject::update},
                                       {"__or__", &DictObject::merged},
                                       {"__ror__", &DictObject::merged_into},
                                       {"__ior__", &DictObject::update},
                                       {"fromkeys", &DictObject::from_keys}};
  return all;
}

DictObject::DictObject(const Arguments& arguments) { fill(dict_, arguments); }

Object DictObject::copied() const {
  Object copy = Object::dict();
  merge(copy, dict_);
  return copy;
}

std::optional<Answer> DictObject::get_item(Call& call) {
  const Object key = call.bind({"key"})[0];
  const Object* found = dict_.find(key);
  if (found == nullptr) throw PythonError("KeyError", key);
  return *found;
}

std::optional<Answer> DictObject::set_item(Call& call) {
  const auto given = call.bind({"key", "value"});
  dict_.set(given[0], given[1]);
  return Object();
}

std::optional<Answer> DictObject::delete_item(Call& call) {
  const Object key = call.bind({"key"})[0];
  if (!dict_.erase(key)) throw PythonError("KeyError", key);
  return Object();
}

std::optional<Answer> DictObject::length(Call& call) {
  (void)call.bind({});
  return Object(dict_.size());
}

std::optional<Answer> DictObject::contains(Call& call) {
  return Object(dict_.contains(call.bind({"key"})[0]));
}

std::optional<Answer> DictObject::iterate(Call& call) {
  (void)call.bind({});
  return Answer("Iterator", std::make_shared<IteratorObject>(keys_of(dict_)));
}

std::optional<Answer> DictObject::reversed(Call& call) {
  (void)call.bind({});
  auto keys = keys_of(dict_);
  std::reverse(keys.begin(), keys.end());
  return python_iterator(std::move(keys));
}

std::optional<Answer> DictObject::clear(Call& call) {
  (void)call.bind({});
  dict_.clear();
  return Object();
}

std::optional<Answer> DictObject::copy(Call& call) {
  (void)call.bind({});
  return copied();
}

std::optional<Answer> DictObject::get(Call& call) {
  const auto given = call.bind({"key", {"default", Object()}});
  const Object* found = dict_.find(given[0]);
  return found == nullptr ? given[1] : *found;
}

std::optional<Answer> DictObject::items(Call& call) {
  (void)call.bind({});
  std::vector<Object> all;
  all.reserve(dict_.size());
  for (const auto& [key, value] : dict_.entries()) all.push_back(Object::tuple({key, value}));
  return Object::list(std::move(all));
}

std::optional<Answer> DictObject::keys(Call& call) {
  (void)call.bind({});
  return Object::list(keys_of(dict_));
}

std::optional<Answer> DictObject::values(Call& call) {
  (void)call.bind({});
  std::vector<Object> all;
  all.reserve(dict_.size());
  for (const auto& [key, value] : dict_.entries()) all.push_back(value);
  return Object::list(std::move(all));
}

std::optional<Answer> DictObject::pop(Call& call) {
  const auto given =
      call.arguments().positional().size() == 1 ? call.bind({"key"}) : call.bind({"key", "default"});
  const Object* found = dict_.find(given[0]);
  if (found == nullptr) {
    if (given.size() == 1) throw PythonError("KeyError", given[0]);
    return given[1];
  }
  Object taken = *found;
  dict_.erase(given[0]);
  return taken;
}

std::optional<Answer> DictObject::pop_item(Call& call) {
  (void)call.bind({});
  auto last = dict_.pop_item();
  if (!last) throw PythonError("KeyError", "popitem(): dictionary is empty");
  return Object::tuple({std::move(last->first), std::move(last->second)});
}

std::optional<Answer> DictObject::set_default(Call& call) {
  const auto given = call.bind({"key", {"default", Object()}});
  if (const Object* found = dict_.find(given[0])) return *found;
  dict_.set(given[0], given[1]);
  return given[1];
}

// What is damaged half-way through changes nothing.
std::optional<Answer> DictObject::update(Call& call) {
  Object more = Object::dict();
  fill(more, call.arguments());
  merge(dict_, more);
  return Object();
}

std::optional<Answer> DictObject::merged(Call& call) {
  Object both = copied();
  merge(both, call.bind({"value"})[0]);
  return both;
}

std::optional<Answer> DictObject::merged_into(Call& call) {
  Object both = Object::dict();
  merge(both, call.bind({"value"})[0]);
  merge(both, dict_);
  return both;
}

std::optional<Answer> DictObject::from_keys(Call& call) {
  const auto given = call.bind({"iterable", {"value", Object()}});
  Object made = Object::dict();
  for (const Object& key : elements_of(given[0])) made.set(key, given[1]);
  return made;
}

}  // namespace polyproc::inline v0
