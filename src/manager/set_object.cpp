// SPDX-License-Identifier: MIT
#include "manager/set_object.hpp"

#include <algorithm>

#include "manager/dict_object.hpp"

namespace polyproc::inline v0 {

const Methods<SetObject>& SetObject::methods() {
  using O = Operation;
  using R = Relation;
  static const Methods<SetObject> all{{"add", &SetObject::add},
                                      {"remove", &SetObject::remove},
                                      {"discard", &SetObject::discard},
                                      {"pop", &SetObject::pop},
                                      {"clear", &SetObject::clear},
                                      {"copy", &SetObject::copy},
                                      {"__len__", &SetObject::length},
                                      {"__contains__", &SetObject::contains},
                                      {"__iter__", &SetObject::iterate},
                                      {"intersection", &SetObject::combined<O::both>},
                                      {"__and__", &SetObject::combined<O::both>},
                                      {"__rand__", &SetObject::combined<O::both>},
                                      {"union", &SetObject::combined<O::either>},
                                      {"__or__", &SetObject::combined<O::either>},
                                      {"__ror__", &SetObject::combined<O::either>},
                                      {"difference", &SetObject::combined<O::without>},
                                      {"__sub__", &SetObject::combined<O::without>},
                                      {"__rsub__", &SetObject::combined_reversed<O::without>},
                                      {"symmetric_difference", &SetObject::combined<O::one_alone>},
                                      {"__xor__", &SetObject::combined<O::one_alone>},
                                      {"__rxor__", &SetObject::combined<O::one_alone>},
                                      {"intersection_update", &SetObject::combine<O::both>},
                                      {"__iand__", &SetObject::combine<O::both>},
                                      {"update", &SetObject::combine<O::either>},
                                      {"__ior__", &SetObject::combine<O::either>},
                                      {"difference_update", &SetObject::combine<O::without>},
                                      {"__isub__", &SetObject::combine<O::without>},
                                      {"symmetric_difference_update", &SetObject::combine<O::one_alone>},
                                      {"__ixor__", &SetObject::combine<O::one_alone>},
                                      {"issubset", &SetObject::relation<R::subset>},
                                      {"__le__", &SetObject::relation<R::subset>},
                                      {"__lt__", &SetObject::relation<R::proper_subset>},
                                      {"issuperset", &SetObject::relation<R::superset>},
                                      {"__ge__", &SetObject::relation<R::superset>},
                                      {"__gt__", &SetObject::relation<R::proper_superset>},
                                      {"isdisjoint", &SetObject::relation<R::disjoint>}};
  return all;
}

SetObject::SetObject(const Arguments& arguments)
    : set_(Object::set(elements_of(arguments.bind({{"iterable", Object::tuple()}})[0]))) {}

std::optional<Answer> SetObject::add(Call& call) {
  set_.add(call.bind({"element"})[0]);
  return Object();
}

std::optional<Answer> SetObject::remove(Call& call) {
  const Object element = call.bind({"element"})[0];
  if (!set_.erase(element)) throw PythonError("KeyError", element);
  return Object();
}

std::optional<Answer> SetObject::discard(Call& call) {
  set_.erase(call.bind({"element"})[0]);
  return Object();
}

std::optional<Answer> SetObject::pop(Call& call) {
  (void)call.bind({});
  auto last = set_.pop_item();
  if (!last) throw PythonError("KeyError", "pop from an empty set");
  return std::move(last->first);
}

std::optional<Answer> SetObject::clear(Call& call) {
  (void)call.bind({});
  set_.clear();
  return Object();
}

std::optional<Answer> SetObject::copy(Call& call) {
  (void)call.bind({});
  return value();
}

std::optional<Answer> SetObject::length(Call& call) {
  (void)call.bind({});
  return Object(set_.size());
}

std::optional<Answer> SetObject::contains(Call& call) {
  return Object(set_.contains(call.bind({"element"})[0]));
}

std::optional<Answer> SetObject::iterate(Call& call) {
  (void)call.bind({});
  return Answer("Iterator", std::make_shared<IteratorObject>(elements()));
}

Object SetObject::apply(Operation operation, const Object& a, const Object& b) {
  std::vector<Object> result;
  for (const auto& [element, nothing] : a.entries())
    if (operation == Operation::either || b.contains(element) == (operation == Operation::both))
      result.push_back(element);
  if (operation == Operation::either || operation == Operation::one_alone) {
    for (const auto& [element, nothing] : b.entries())
      if (!a.contains(element)) result.push_back(element);
  }
  return Object::set(std::move(result));
}

// With each of the arguments, one after the other.
template <SetObject::Operation O>
std::optional<Answer> SetObject::combined(Call& call) {
  Object result = value();
  for (const Object& other : call.arguments().positional())
    result = apply(O, result, Object::set(elements_of(other)));
  return result;
}

template <SetObject::Operation O>
std::optional<Answer> SetObject::combined_reversed(Call& call) {
  return apply(O, Object::set(elements_of(call.bind({"other"})[0])), set_);
}

template <SetObject::Operation O>
std::optional<Answer> SetObject::combine(Call& call) {
  set_ = combined<O>(call)->value;
  return Object();
}

template <SetObject::Relation R>
std::optional<Answer> SetObject::relation(Call& call) {
  const Object other = Object::set(elements_of(call.bind({"other"})[0]));
  if constexpr (R == Relation::disjoint) return Object(apply(Operation::both, set_, other).empty());
  const std::size_t common = apply(Operation::both, set_, other).size();
  if constexpr (R == Relation::subset) return Object(common == set_.size());
  if constexpr (R == Relation::proper_subset) return Object(common == set_.size() && common < other.size());
  if constexpr (R == Relation::superset) return Object(common == other.size());
  return Object(common == other.size() && common < set_.size());
}

}  // namespace polyproc::inline v0
