// SPDX-License-Identifier: MIT
#include "manager/value_objects.hpp"

#include <algorithm>

#include "manager/slice.hpp"

namespace polyproc::inline v0 {

const Methods<ValueObject>& ValueObject::methods() {
  static const Methods<ValueObject> all{{"get", &ValueObject::get}, {"set", &ValueObject::set}};
  return all;
}

ValueObject::ValueObject(const Arguments& arguments) {
  const auto given = arguments.bind({"typecode", "value", {"lock", Object(true)}});
  typecode_ = given[0];
  value_ = given[1];
}

std::string ValueObject::repr() const {
  return fmt::format("Value({}, {})", typecode_.repr(kLongestName), value_.repr(kLongestText));
}

std::optional<Answer> ValueObject::get(Call& call) {
  (void)call.bind({});
  return value_;
}

std::optional<Answer> ValueObject::set(Call& call) {
  value_ = call.bind({"value"})[0];
  return Object();
}

const Methods<ArrayObject>& ArrayObject::methods() {
  static const Methods<ArrayObject> all{{"__len__", &ArrayObject::length},
                                        {"__getitem__", &ArrayObject::get_item},
                                        {"__setitem__", &ArrayObject::set_item}};
  return all;
}

ArrayObject::ArrayObject(const Arguments& arguments) {
  const auto given = arguments.bind({"typecode", "sequence", {"lock", Object(true)}});
  array_.typecode = PythonArray::typecode_from(given[0]);
  for (const Object& item : elements_of(given[1]))
    array_.items.push_back(PythonArray::element(array_.typecode, item));
}

std::string ArrayObject::repr() const {
  return fmt::format("array('{}', {})", array_.typecode, Object::list(array_.items).repr(kLongestText));
}

std::optional<Answer> ArrayObject::length(Call& call) {
  (void)call.bind({});
  return Object(array_.items.size());
}

std::optional<Answer> ArrayObject::get_item(Call& call) {
  const Object key = call.bind({"key"})[0];
  if (const auto slice = slice_from(key, array_.items.size()))
    return PythonArray{array_.typecode, take_slice(array_.items, *slice)}.to_object();
  return array_.items[place_from(key, array_.items.size(), "array")];
}

std::optional<Answer> ArrayObject::set_item(Call& call) {
  const auto given = call.bind({"key", "value"});
  if (const auto slice = slice_from(given[0], array_.items.size())) {
    auto values = elements_of(given[1]);
    for (Object& value : values) value = PythonArray::element(array_.typecode, value);
    set_slice(array_.items, *slice, std::move(values));
  } else {
    const std::size_t place = place_from(given[0], array_.items.size(), "array assignment");
    array_.items[place] = PythonArray::element(array_.typecode, given[1]);
  }
  return Object();
}

const Methods<NamespaceObject>& NamespaceObject::methods() {
  static const Methods<NamespaceObject> all{{"__getattribute__", &NamespaceObject::get},
                                            {"__setattr__", &NamespaceObject::set},
                                            {"__delattr__", &NamespaceObject::remove}};
  return all;
}

NamespaceObject::NamespaceObject(const Arguments& arguments) {
  if (!arguments.positional().empty())
    throw PythonError("TypeError", "Namespace() takes attributes by name alone");
  for (const auto& [name, value] : arguments.keywords().entries()) attributes_.set(name, value);
}

// In the order of their names, as Python prints them.
std::string NamespaceObject::repr() const {
  std::vector<std::string> parts;
  for (const auto& [name, value] : attributes_.entries())
    if (!name.as_utf8().starts_with('_'))
      parts.push_back(fmt::format("{}={}", name.as_string(), value.repr(kLongestText)));
  std::sort(parts.begin(), parts.end());
  return fmt::format("Namespace({})", fmt::join(parts, ", "));
}

namespace {

[[noreturn]] void throw_no_attribute(const Object& name) {
  throw PythonError("AttributeError",
                    fmt::format("'Namespace' object has no attribute {}", name.repr(kLongestName)));
}

const Object& checked_name(const Object& name) {
  if (name.kind() != Kind::string)
    throw PythonError("TypeError",
                      fmt::format("attribute name must be string, not '{}'", kind_name(name.kind())));
  return name;
}

}  // namespace

std::optional<Answer> NamespaceObject::get(Call& call) {
  const auto given = call.bind({"name"});
  const Object* found = attributes_.find(checked_name(given[0]));
  if (found == nullptr) throw_no_attribute(given[0]);
  return *found;
}

std::optional<Answer> NamespaceObject::set(Call& call) {
  const auto given = call.bind({"name", "value"});
  attributes_.set(checked_name(given[0]), given[1]);
  return Object();
}

std::optional<Answer> NamespaceObject::remove(Call& call) {
  const auto given = call.bind({"name"});
  if (!attributes_.erase(checked_name(given[0]))) throw_no_attribute(given[0]);
  return Object();
}

}  // namespace polyproc::inline v0
