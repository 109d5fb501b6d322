// SPDX-License-Identifier: MIT
#include "manager/list_object.hpp"

#include <algorithm>

#include "manager/order.hpp"
#include "manager/slice.hpp"

namespace polyproc::inline v0 {

namespace {

// What Python finds equal in a list: the same, or equal.
bool matches(const Object& a, const Object& b) { return a.same(b) || a == b; }

}  // namespace

const Methods<ListObject>& ListObject::methods() {
  static const Methods<ListObject> all{{"append", &ListObject::append},
                                       {"extend", &ListObject::extend},
                                       {"__iadd__", &ListObject::extend},
                                       {"insert", &ListObject::insert},
                                       {"pop", &ListObject::pop},
                                       {"remove", &ListObject::remove},
                                       {"clear", &ListObject::clear},
                                       {"copy", &ListObject::copy},
                                       {"count", &ListObject::count},
                                       {"index", &ListObject::index},
                                       {"reverse", &ListObject::reverse},
                                       {"sort", &ListObject::sort},
                                       {"__getitem__", &ListObject::get_item},
                                       {"__setitem__", &ListObject::set_item},
                                       {"__delitem__", &ListObject::delete_item},
                                       {"__len__", &ListObject::length},
                                       {"__contains__", &ListObject::contains},
                                       {"__add__", &ListObject::add},
                                       {"__mul__", &ListObject::multiply},
                                       {"__rmul__", &ListObject::multiply},
                                       {"__imul__", &ListObject::multiply_here},
                                       {"__reversed__", &ListObject::reversed}};
  return all;
}

ListObject::ListObject(const Arguments& arguments) {
  const auto given = arguments.bind({{"iterable", Object::tuple()}});
  items_ = elements_of(given[0]);
}

std::optional<Answer> ListObject::append(Call& call) {
  items_.push_back(call.bind({"object"})[0]);
  return Object();
}

std::optional<Answer> ListObject::extend(Call& call) {
  auto more = elements_of(call.bind({"iterable"})[0]);
  items_.insert(items_.end(), std::move_iterator(more.begin()), std::move_iterator(more.end()));
  return Object();
}

std::optional<Answer> ListObject::insert(Call& call) {
  const auto given = call.bind({"index", "object"});
  const auto size = static_cast<std::int64_t>(items_.size());
  std::int64_t place = index_from(given[0]);
  if (place < 0) place += size;
  items_.insert(items_.begin() + std::clamp<std::int64_t>(place, 0, size), given[1]);
  return Object();
}

std::optional<Answer> ListObject::pop(Call& call) {
  const auto given = call.bind({{"index", Object(-1)}});
  if (items_.empty()) throw PythonError("IndexError", "pop from empty list");
  const std::size_t place = place_from(given[0], items_.size(), "pop");
  Object taken = std::move(items_[place]);
  items_.erase(items_.begin() + static_cast<std::ptrdiff_t>(place));
  return taken;
}

std::optional<Answer> ListObject::remove(Call& call) {
  const Object value = call.bind({"value"})[0];
  const auto found =
      std::find_if(items_.begin(), items_.end(), [&](const Object& each) { return matches(each, value); });
  if (found == items_.end()) throw PythonError("ValueError", "list.remove(x): x not in list");
  const Object dropped = std::move(*found);
  items_.erase(found);
  return Object();
}

std::optional<Answer> ListObject::clear(Call& call) {
  (void)call.bind({});
  const auto dropped = std::exchange(items_, {});
  return Object();
}

std::optional<Answer> ListObject::copy(Call& call) {
  (void)call.bind({});
  return value();
}

std::optional<Answer> ListObject::count(Call& call) {
  const Object value = call.bind({"value"})[0];
  return Object(
      std::count_if(items_.begin(), items_.end(), [&](const Object& each) { return matches(each, value); }));
}

std::optional<Answer> ListObject::index(Call& call) {
  const auto given = call.bind({"value", {"start", Object(0)}, {"stop", Object(INT64_MAX)}});
  const Object range =
      Object::instance(Object::name("builtins", "slice"), Object::tuple({given[1], given[2], Object()}));
  const Slice slice = *slice_from(range, items_.size());
  for (std::size_t i = 0; i < slice.length; ++i)
    if (matches(items_[slice[i]], given[0])) return Object(slice[i]);
  throw PythonError("ValueError", given[0].repr(kLongestName) + " is not in list");
}

std::optional<Answer> ListObject::reverse(Call& call) {
  (void)call.bind({});
  std::reverse(items_.begin(), items_.end());
  return Object();
}

std::optional<Answer> ListObject::sort(Call& call) {
  if (!call.arguments().positional().empty())
    throw PythonError("TypeError", "sort() takes no positional arguments");
  const auto given = call.bind({{"key", Object()}, {"reverse", Object(false)}});
  if (!given[0].is_none())
    throw PythonError(
        "TypeError",
        "sort() here takes no key function: the server runs no code of its clients; sort a copy");
  auto sorted = items_;  // one that fails half-way changes nothing
  if (truth(given[1]))
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const Object& a, const Object& b) { return is_less(b, a); });
  else
    std::stable_sort(sorted.begin(), sorted.end(), is_less);
  items_.swap(sorted);
  return Object();
}

std::optional<Answer> ListObject::get_item(Call& call) {
  const Object key = call.bind({"key"})[0];
  if (const auto slice = slice_from(key, items_.size())) return Object::list(take_slice(items_, *slice));
  return items_[place_from(key, items_.size(), "list")];
}

std::optional<Answer> ListObject::set_item(Call& call) {
  const auto given = call.bind({"key", "value"});
  if (const auto slice = slice_from(given[0], items_.size()))
    set_slice(items_, *slice, elements_of(given[1]));
  else
    items_[place_from(given[0], items_.size(), "list assignment")] = given[1];
  return Object();
}

std::optional<Answer> ListObject::delete_item(Call& call) {
  const Object key = call.bind({"key"})[0];
  if (const auto slice = slice_from(key, items_.size()))
    erase_slice(items_, *slice);
  else
    items_.erase(items_.begin() +
                 static_cast<std::ptrdiff_t>(place_from(key, items_.size(), "list assignment")));
  return Object();
}

std::optional<Answer> ListObject::length(Call& call) {
  (void)call.bind({});
  return Object(items_.size());
}

std::optional<Answer> ListObject::contains(Call& call) {
  const Object value = call.bind({"key"})[0];
  return Object(
      std::any_of(items_.begin(), items_.end(), [&](const Object& each) { return matches(each, value); }));
}

std::optional<Answer> ListObject::add(Call& call) {
  const Object other = call.bind({"value"})[0];
  if (other.kind() != Kind::list)
    throw PythonError("TypeError",
                      fmt::format("can only concatenate list (not \"{}\") to list", kind_name(other.kind())));
  auto both = items_;
  both.insert(both.end(), other.items().begin(), other.items().end());
  return Object::list(std::move(both));
}

std::vector<Object> ListObject::repeated(const Object& times) const {
  const std::int64_t count = std::max<std::int64_t>(index_from(times), 0);
  std::vector<Object> all;
  if (items_.empty()) return all;
  if (static_cast<std::uint64_t>(count) > kMostElements / items_.size()) throw PythonError("MemoryError");
  all.reserve(items_.size() * static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) all.insert(all.end(), items_.begin(), items_.end());
  return all;
}

std::optional<Answer> ListObject::multiply(Call& call) {
  return Object::list(repeated(call.bind({"value"})[0]));
}

std::optional<Answer> ListObject::multiply_here(Call& call) {
  items_ = repeated(call.bind({"value"})[0]);
  return Object();
}

// An iterator of Python's over what is in the list now.
std::optional<Answer> ListObject::reversed(Call& call) {
  (void)call.bind({});
  return Object::instance(Object::name("builtins", "iter"),
                          Object::tuple({Object::list({items_.rbegin(), items_.rend()})}));
}

}  // namespace polyproc::inline v0
