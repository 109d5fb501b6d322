// SPDX-License-Identifier: MIT
// What a server holds for its clients. All calls come from the server's loop, one after the other: each is atomic.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "manager/call.hpp"
#include "manager/python_error.hpp"

namespace polyproc::inline v0 {

class SharedObject;

// A value, or an object that is shared itself.
struct Answer {
  Answer(Object result) : value(std::move(result)) {}
  template <class T>
  requires(!std::is_same_v<T, Object> && std::is_constructible_v<Object, T>) Answer(T result)
      : value(std::move(result)) {}
  Answer(std::string type, std::shared_ptr<SharedObject> object)
      : shared(std::move(object)), typeid_name(std::move(type)) {}

  Object value;
  std::shared_ptr<SharedObject> shared;
  std::string typeid_name;
};

class SharedObject : public std::enable_shared_from_this<SharedObject> {
 public:
  SharedObject() = default;
  SharedObject(const SharedObject&) = delete;
  SharedObject& operator=(const SharedObject&) = delete;
  virtual ~SharedObject();

  // Nothing when the call waits. Throws PythonError; AttributeError when there is no such method.
  [[nodiscard]] virtual std::optional<Answer> call(std::string_view method, Call& call) = 0;
  // What a proxy is copied to.
  [[nodiscard]] virtual Object value() const;
  [[nodiscard]] virtual std::string repr() const;
};

// Methods by name.
template <class Self>
using Methods = std::unordered_map<std::string_view, std::optional<Answer> (Self::*)(Call&)>;

[[noreturn]] void throw_no_method(std::string_view method);

// Self has `static const Methods<Self>& methods()`.
template <class Self, class Base = SharedObject>
class WithMethods : public Base {
 public:
  using Base::Base;
  std::optional<Answer> call(std::string_view method, Call& call) override {
    const auto& all = Self::methods();
    const auto found = all.find(method);
    if (found == all.end()) throw_no_method(method);
    return (static_cast<Self&>(*this).*found->second)(call);
  }
};

}  // namespace polyproc::inline v0
