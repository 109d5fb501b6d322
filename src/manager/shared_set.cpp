// SPDX-License-Identifier: MIT
#include "manager/shared_set.hpp"

#include <algorithm>

#include "manager/shared_dict.hpp"

namespace polyproc::inline v0 {

const Methods<SharedSet>& SharedSet::methods() {
  using O = Operation;
  using R = Relation;
  static const Methods<SharedSet> all{{"add", &SharedSet::add},
                                      {"remove", &SharedSet::remove},
                                      {"discard", &SharedSet::discard},
                                      {"pop", &SharedSet::pop},
                                      {"clear", &SharedSet::clear},
                                      {"copy", &SharedSet::copy},
                                      {"__len__", &SharedSet::length},
                                      {"__contains__", &SharedSet::contains},
                                      {"__iter__", &SharedSet::iterate},
                                      {"intersection", &SharedSet::combined<O::both>},
                                      {"__and__", &SharedSet::combined<O::both>},
                                      {"__rand__", &SharedSet::combined<O::both>},
                                      {"union", &SharedSet::combined<O::either>},
                                      {"__or__", &SharedSet::combined<O::either>},
                                      {"__ror__", &SharedSet::combined<O::either>},
                                      {"difference", &SharedSet::combined<O::without>},
                                      {"__sub__", &SharedSet::combined<O::without>},
                                      {"__rsub__", &SharedSet::combined_reversed<O::without>},
                                      {"symmetric_difference", &SharedSet::combined<O::one_alone>},
                                      {"__xor__", &SharedSet::combined<O::one_alone>},
                                      {"__rxor__", &SharedSet::combined<O::one_alone>},
                                      {"intersection_update", &SharedSet::combine<O::both>},
                                      {"__iand__", &SharedSet::combine<O::both>},
                                      {"update", &SharedSet::combine<O::either>},
                                      {"__ior__", &SharedSet::combine<O::either>},
                                      {"difference_update", &SharedSet::combine<O::without>},
                                      {"__isub__", &SharedSet::combine<O::without>},
                                      {"symmetric_difference_update", &SharedSet::combine<O::one_alone>},
                                      {"__ixor__", &SharedSet::combine<O::one_alone>},
                                      {"issubset", &SharedSet::relation<R::subset>},
                                      {"__le__", &SharedSet::relation<R::subset>},
                                      {"__lt__", &SharedSet::relation<R::proper_subset>},
                                      {"issuperset", &SharedSet::relation<R::superset>},
                                      {"__ge__", &SharedSet::relation<R::superset>},
                                      {"__gt__", &SharedSet::relation<R::proper_superset>},
                                      {"isdisjoint", &SharedSet::relation<R::disjoint>}};
  return all;
}

SharedSet::SharedSet(const Arguments& arguments)
    : set_(Object::set(elements_of(arguments.bind({{"iterable", Object::tuple()}})[0]))) {}

std::optional<Answer> SharedSet::add(Call& call) {
  set_.add(call.bind({"element"})[0]);
  return Object();
}

std::optional<Answer> SharedSet::remove(Call& call) {
  const Object element = call.bind({"element"})[0];
  if (!set_.erase(element)) throw PythonError("KeyError", element);
  return Object();
}

std::optional<Answer> SharedSet::discard(Call& call) {
  set_.erase(call.bind({"element"})[0]);
  return Object();
}

std::optional<Answer> SharedSet::pop(Call& call) {
  (void)call.bind({});
  auto last = set_.pop_item();
  if (!last) throw PythonError("KeyError", "pop from an empty set");
  return std::move(last->first);
}

std::optional<Answer> SharedSet::clear(Call& call) {
  (void)call.bind({});
  set_.clear();
  return Object();
}

std::optional<Answer> SharedSet::copy(Call& call) {
  (void)call.bind({});
  return value();
}

std::optional<Answer> SharedSet::length(Call& call) {
  (void)call.bind({});
  return Object(set_.size());
}

std::optional<Answer> SharedSet::contains(Call& call) {
  return Object(set_.contains(call.bind({"element"})[0]));
}

std::optional<Answer> SharedSet::iterate(Call& call) {
  (void)call.bind({});
  return Answer("Iterator", std::make_shared<SharedIterator>(elements()));
}

Object SharedSet::apply(Operation operation, const Object& a, const Object& b) {
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
template <SharedSet::Operation O>
std::optional<Answer> SharedSet::combined(Call& call) {
  Object result = value();
  for (const Object& other : call.arguments().positional())
    result = apply(O, result, Object::set(elements_of(other)));
  return result;
}

template <SharedSet::Operation O>
std::optional<Answer> SharedSet::combined_reversed(Call& call) {
  return apply(O, Object::set(elements_of(call.bind({"other"})[0])), set_);
}

template <SharedSet::Operation O>
std::optional<Answer> SharedSet::combine(Call& call) {
  set_ = combined<O>(call)->value;
  return Object();
}

template <SharedSet::Relation R>
std::optional<Answer> SharedSet::relation(Call& call) {
  const Object other = Object::set(elements_of(call.bind({"other"})[0]));
  if constexpr (R == Relation::disjoint) return Object(apply(Operation::both, set_, other).empty());
  const std::size_t common = apply(Operation::both, set_, other).size();
  if constexpr (R == Relation::subset) return Object(common == set_.size());
  if constexpr (R == Relation::proper_subset) return Object(common == set_.size() && common < other.size());
  if constexpr (R == Relation::superset) return Object(common == other.size());
  return Object(common == other.size() && common < set_.size());
}

}  // namespace polyproc::inline v0
