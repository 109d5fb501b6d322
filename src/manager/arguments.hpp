// SPDX-License-Identifier: MIT
// What a method is called with: a tuple, and a dict of what was given by name.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <polyproc/codec/object.hpp>
#include <polyproc/os/deadline.hpp>

namespace polyproc::inline v0 {

struct Parameter {
  Parameter(const char* parameter) : name(parameter) {}
  Parameter(std::string_view parameter, Object otherwise)
      : name(parameter), default_value(std::move(otherwise)) {}
  std::string_view name;
  std::optional<Object> default_value;  // none: it must be given
};

class Arguments {
 public:
  // `function`: for errors. Throws PythonError (TypeError) when they are no tuple and dict of strings.
  Arguments(std::string_view function, Object positional, Object keywords);

  // One for each parameter, by Python's rules. Throws PythonError (TypeError).
  [[nodiscard]] std::vector<Object> bind(std::initializer_list<Parameter> parameters) const;
  [[nodiscard]] std::span<const Object> positional() const { return positional_.items(); }
  [[nodiscard]] const Object& keywords() const noexcept { return keywords_; }  // a dict
  // The same without the first positional one.
  [[nodiscard]] Arguments without_first(std::string_view function) const;

 private:
  [[noreturn]] void fail(const std::string& what) const;

  std::string function_;
  Object positional_, keywords_;
};

// Conversions by Python's rules; each throws PythonError (TypeError, ValueError, OverflowError), naming what was given.
[[nodiscard]] bool truth(const Object& value);
[[nodiscard]] std::int64_t index_from(const Object& value);
// Seconds, or None for ever.
[[nodiscard]] Deadline deadline_from(const Object& timeout);
// How much a value's text may take, however large it is by sharing; and in messages.
inline constexpr std::size_t kLongestText = std::size_t{4} << 20;
inline constexpr std::size_t kLongestName = 200;
// What a request of few bytes may ask to be made.
inline constexpr std::uint64_t kMostElements = std::uint64_t{1} << 26;
// The elements of a list, tuple, set, dict (its keys), string, bytes, range or array.array.
[[nodiscard]] std::vector<Object> elements_of(const Object& iterable);

}  // namespace polyproc::inline v0
