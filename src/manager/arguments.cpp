// SPDX-License-Identifier: MIT
#include "manager/arguments.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "manager/python_array.hpp"
#include "manager/python_error.hpp"

namespace polyproc::inline v0 {

Arguments::Arguments(std::string_view function, Object positional, Object keywords)
    : function_(function), positional_(std::move(positional)), keywords_(std::move(keywords)) {
  if (positional_.kind() == Kind::list)
    positional_ = Object::tuple({positional_.items().begin(), positional_.items().end()});
  if (keywords_.is_none()) keywords_ = Object::dict();
  if (positional_.kind() != Kind::tuple || keywords_.kind() != Kind::dict)
    fail("takes a tuple of arguments and a dict of those given by name");
  for (const auto& [name, value] : keywords_.entries())
    if (name.kind() != Kind::string) fail("takes names that are strings");
}

void Arguments::fail(const std::string& what) const {
  throw PythonError("TypeError", fmt::format("{}() {}", function_, what));
}

std::vector<Object> Arguments::bind(std::initializer_list<Parameter> parameters) const {
  const auto given = positional();
  if (given.size() > parameters.size())
    fail(fmt::format("takes at most {} arguments ({} given)", parameters.size(), given.size()));
  std::vector<Object> bound;
  bound.reserve(parameters.size());
  std::size_t named = 0;
  for (const Parameter& parameter : parameters) {
    const Object* value = keywords_.empty() ? nullptr : keywords_.find(Object(parameter.name));
    if (bound.size() < given.size()) {
      if (value != nullptr) fail(fmt::format("got multiple values for argument '{}'", parameter.name));
      value = &given[bound.size()];
    } else if (value != nullptr) {
      ++named;
    } else if (parameter.default_value) {
      value = &*parameter.default_value;
    } else {
      fail(fmt::format("missing required argument '{}'", parameter.name));
    }
    bound.push_back(*value);
  }
  if (named != keywords_.size()) {
    for (const auto& [name, value] : keywords_.entries())
      if (std::none_of(parameters.begin(), parameters.end(),
                       [&](const Parameter& each) { return each.name == name.as_utf8(); }))
        fail(fmt::format("got an unexpected keyword argument '{}'", name.as_utf8()));
  }
  return bound;
}

Arguments Arguments::without_first(std::string_view function) const {
  const auto given = positional();
  if (given.empty()) fail("missing its first argument");
  return {function, Object::tuple({given.begin() + 1, given.end()}), keywords_};
}

bool truth(const Object& value) {
  switch (value.kind()) {
    case Kind::none:
      return false;
    case Kind::boolean:
      return value.as_bool();
    case Kind::integer:
      return value != Object(0);
    case Kind::floating:
      return value.as_double() != 0;
    case Kind::complex:
      return value.as_complex() != 0.0;
    case Kind::name:
    case Kind::instance:
      return true;
    default:
      return !value.empty();
  }
}

std::int64_t index_from(const Object& value) {
  if (value.kind() != Kind::integer && value.kind() != Kind::boolean)
    throw PythonError(
        "TypeError", fmt::format("'{}' object cannot be interpreted as an integer", kind_name(value.kind())));
  const auto index = value.as_integer().to_int64();
  if (!index) throw PythonError("IndexError", "cannot fit 'int' into an index-sized integer");
  return *index;
}

Deadline deadline_from(const Object& timeout) {
  double seconds = 0;
  if (timeout.is_none()) return Deadline::never();
  if (timeout.kind() == Kind::floating)
    seconds = timeout.as_double();
  else if (timeout.kind() == Kind::integer || timeout.kind() == Kind::boolean)
    seconds = timeout.as_integer().to_double();
  else
    throw PythonError("TypeError", fmt::format("a timeout is a number of seconds or None, not '{}'",
                                               kind_name(timeout.kind())));
  if (std::isnan(seconds)) throw PythonError("ValueError", "Invalid value NaN (not a number)");
  return Deadline::after(std::chrono::duration<double>(seconds));
}

namespace {

// builtins.range(start, stop, step), as it is pickled.
std::vector<Object> elements_of_range(std::span<const Object> parts) {
  if (parts.size() != 3) throw PythonError("TypeError", "a damaged range");
  const std::int64_t start = index_from(parts[0]), stop = index_from(parts[1]), step = index_from(parts[2]);
  if (step == 0) throw PythonError("ValueError", "range() arg 3 must not be zero");
  const auto first = static_cast<std::uint64_t>(start);
  const std::uint64_t span =
      step > 0 ? static_cast<std::uint64_t>(stop) - first : first - static_cast<std::uint64_t>(stop);
  const std::uint64_t stride =
      step > 0 ? static_cast<std::uint64_t>(step) : 0 - static_cast<std::uint64_t>(step);
  const std::uint64_t count = (step > 0 ? start < stop : start > stop) ? (span - 1) / stride + 1 : 0;
  if (count > kMostElements) throw PythonError("MemoryError", "a range of so many elements");
  std::vector<Object> all;
  all.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) all.emplace_back(start + static_cast<std::int64_t>(i) * step);
  return all;
}

std::optional<std::vector<Object>> elements_of_instance(const Object& value) {
  if (auto array = PythonArray::from(value)) return std::move(array->items);
  if (value.callable().kind() != Kind::name || value.callable().module() != "builtins") return std::nullopt;
  const std::string_view name = value.callable().qualified_name();
  const auto parts = value.arguments().items();
  if (name == "range") return elements_of_range(parts);
  if (name == "list" && parts.size() == 1 && parts[0].kind() == Kind::list) return elements_of(parts[0]);
  return std::nullopt;
}

}  // namespace

std::vector<Object> elements_of(const Object& iterable) {
  std::vector<Object> all;
  switch (iterable.kind()) {
    case Kind::list:
    case Kind::tuple:
      return {iterable.items().begin(), iterable.items().end()};
    case Kind::set:
    case Kind::frozenset:
    case Kind::dict:
      for (const auto& [key, value] : iterable.entries()) all.push_back(key);
      return all;
    case Kind::bytes:
    case Kind::bytearray:
      for (const std::byte each : iterable.as_bytes()) all.emplace_back(std::to_integer<int>(each));
      return all;
    case Kind::string: {
      const std::string_view text = iterable.as_utf8();
      for (std::size_t at = 0; at < text.size();) {
        std::size_t end = at + 1;
        while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
        all.emplace_back(text.substr(at, end - at));
        at = end;
      }
      return all;
    }
    default:
      if (iterable.kind() == Kind::instance)
        if (auto all = elements_of_instance(iterable)) return std::move(*all);
      throw PythonError("TypeError",
                        fmt::format("'{}' object is not iterable here", kind_name(iterable.kind())));
  }
}

}  // namespace polyproc::inline v0
