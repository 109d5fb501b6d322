// SPDX-License-Identifier: MIT
#include "manager/shared_dict.hpp"

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

const Methods<SharedIterator>& SharedIterator::methods() {
  static const Methods<SharedIterator> all{{"__next__", &SharedIterator::next},
                                           {"send", &SharedIterator::next},
                                           {"throw", &SharedIterator::close},
                                           {"close", &SharedIterator::close}};
  return all;
}

std::optional<Answer> SharedIterator::next(Call&) {
  if (at_ == items_.size()) throw PythonError("StopIteration");
  return items_[at_++];
}

std::optional<Answer> SharedIterator::close(Call&) {
  at_ = items_.size();
  return Object();
}

const Methods<SharedDict>& SharedDict::methods() {
  static const Methods<SharedDict> all{{"__getitem__", &SharedDict::get_item},
                                       {"__setitem__", &SharedDict::set_item},
                                       {"__delitem__", &SharedDict::delete_item},
                                       {"__len__", &SharedDict::length},
                                       {"__contains__", &SharedDict::contains},
                                       {"__iter__", &SharedDict::iterate},
                                       {"__reversed__", &SharedDict::reversed},
                                       {"clear", &SharedDict::clear},
                                       {"copy", &SharedDict::copy},
                                       {"get", &SharedDict::get},
                                       {"items", &SharedDict::items},
                                       {"keys", &SharedDict::keys},
                                       {"values", &SharedDict::values},
                                       {"pop", &SharedDict::pop},
                                       {"popitem", &SharedDict::pop_item},
                                       {"setdefault", &SharedDict::set_default},
                                       {"update", &SharedDict::update},
                                       {"__or__", &SharedDict::merged},
                                       {"__ror__", &SharedDict::merged_into},
                                       {"__ior__", &SharedDict::update},
                                       {"fromkeys", &SharedDict::from_keys}};
  return all;
}

SharedDict::SharedDict(const Arguments& arguments) { fill(dict_, arguments); }

Object SharedDict::copied() const {
  Object copy = Object::dict();
  merge(copy, dict_);
  return copy;
}

std::optional<Answer> SharedDict::get_item(Call& call) {
  const Object key = call.bind({"key"})[0];
  const Object* found = dict_.find(key);
  if (found == nullptr) throw PythonError("KeyError", key);
  return *found;
}

std::optional<Answer> SharedDict::set_item(Call& call) {
  const auto given = call.bind({"key", "value"});
  dict_.set(given[0], given[1]);
  return Object();
}

std::optional<Answer> SharedDict::delete_item(Call& call) {
  const Object key = call.bind({"key"})[0];
  if (!dict_.erase(key)) throw PythonError("KeyError", key);
  return Object();
}

std::optional<Answer> SharedDict::length(Call& call) {
  (void)call.bind({});
  return Object(dict_.size());
}

std::optional<Answer> SharedDict::contains(Call& call) {
  return Object(dict_.contains(call.bind({"key"})[0]));
}

std::optional<Answer> SharedDict::iterate(Call& call) {
  (void)call.bind({});
  return Answer("Iterator", std::make_shared<SharedIterator>(keys_of(dict_)));
}

std::optional<Answer> SharedDict::reversed(Call& call) {
  (void)call.bind({});
  auto keys = keys_of(dict_);
  std::reverse(keys.begin(), keys.end());
  return python_iterator(std::move(keys));
}

std::optional<Answer> SharedDict::clear(Call& call) {
  (void)call.bind({});
  dict_.clear();
  return Object();
}

std::optional<Answer> SharedDict::copy(Call& call) {
  (void)call.bind({});
  return copied();
}

std::optional<Answer> SharedDict::get(Call& call) {
  const auto given = call.bind({"key", {"default", Object()}});
  const Object* found = dict_.find(given[0]);
  return found == nullptr ? given[1] : *found;
}

std::optional<Answer> SharedDict::items(Call& call) {
  (void)call.bind({});
  std::vector<Object> all;
  all.reserve(dict_.size());
  for (const auto& [key, value] : dict_.entries()) all.push_back(Object::tuple({key, value}));
  return Object::list(std::move(all));
}

std::optional<Answer> SharedDict::keys(Call& call) {
  (void)call.bind({});
  return Object::list(keys_of(dict_));
}

std::optional<Answer> SharedDict::values(Call& call) {
  (void)call.bind({});
  std::vector<Object> all;
  all.reserve(dict_.size());
  for (const auto& [key, value] : dict_.entries()) all.push_back(value);
  return Object::list(std::move(all));
}

std::optional<Answer> SharedDict::pop(Call& call) {
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

std::optional<Answer> SharedDict::pop_item(Call& call) {
  (void)call.bind({});
  auto last = dict_.pop_item();
  if (!last) throw PythonError("KeyError", "popitem(): dictionary is empty");
  return Object::tuple({std::move(last->first), std::move(last->second)});
}

std::optional<Answer> SharedDict::set_default(Call& call) {
  const auto given = call.bind({"key", {"default", Object()}});
  if (const Object* found = dict_.find(given[0])) return *found;
  dict_.set(given[0], given[1]);
  return given[1];
}

// What is damaged half-way through changes nothing.
std::optional<Answer> SharedDict::update(Call& call) {
  Object more = Object::dict();
  fill(more, call.arguments());
  merge(dict_, more);
  return Object();
}

std::optional<Answer> SharedDict::merged(Call& call) {
  Object both = copied();
  merge(both, call.bind({"value"})[0]);
  return both;
}

std::optional<Answer> SharedDict::merged_into(Call& call) {
  Object both = Object::dict();
  merge(both, call.bind({"value"})[0]);
  merge(both, dict_);
  return both;
}

std::optional<Answer> SharedDict::from_keys(Call& call) {
  const auto given = call.bind({"iterable", {"value", Object()}});
  Object made = Object::dict();
  for (const Object& key : elements_of(given[0])) made.set(key, given[1]);
  return made;
}

}  // namespace polyproc::inline v0
