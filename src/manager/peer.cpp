// SPDX-License-Identifier: MIT
#include "manager/peer.hpp"

#include <cstring>

#include <polyproc/codec/decode_error.hpp>

namespace polyproc::inline v0 {

Peer::Wire::~Wire() = default;

std::string describe(const Object& exception) {
  if (exception.kind() != Kind::instance || exception.callable().kind() != Kind::name)
    return exception.repr(kLongestName);
  std::string text(exception.callable().qualified_name());
  const auto arguments = exception.arguments().items();
  for (std::size_t i = 0; i < arguments.size(); ++i)
    text += (i == 0 ? ": " : ", ") + (arguments[i].kind() == Kind::string ? arguments[i].as_string()
                                                                          : arguments[i].repr(kLongestName));
  return text;
}

bool may_hold_proxies(std::span<const std::byte> pickle) noexcept {
  constexpr std::string_view kName = "RebuildProxy";
  return ::memmem(pickle.data(), pickle.size(), kName.data(), kName.size()) != nullptr;
}

std::optional<Answer> Peer::run(const ObjectTable::Entry& entry, std::string_view method,
                                std::uint64_t number, std::uint64_t thread, Arguments arguments) {
  const std::shared_ptr<SharedObject> object = entry.object;  // the call may end it
  Call call(*this, number, thread, object, std::move(arguments));
  try {
    return object->call(method, call);
  } catch (...) {
    rethrow_as_python_error();
  }
}

Object Peer::exposed_of(const SharedType& type) {
  return Object::tuple({type.exposed.begin(), type.exposed.end()});
}

Object Peer::create(const Arguments& arguments, std::uint64_t& number) {
  const auto given = arguments.positional();
  if (given.empty() || given[0].kind() != Kind::string)
    throw PythonError("TypeError", "create() takes the name of a type first");
  const SharedType* type = context_.objects.find_type(given[0].as_utf8());
  if (type == nullptr || !type->make)
    throw PythonError("KeyError",
                      fmt::format("this server makes no objects of type {}", given[0].repr(kLongestName)));
  try {
    auto object = type->make(arguments.without_first(type->name), context_.objects);
    number = context_.objects.add(*type, std::move(object));
  } catch (...) {
    rethrow_as_python_error();
  }
  return Object::tuple({ident_of(number), exposed_of(*type)});
}

Object Peer::control(std::string_view function, const Arguments& arguments) {
  if (function == "dummy") return {};
  if (function == "number_of_objects") return Object(context_.objects.size());
  if (function == "debug_info") return Object(context_.objects.describe());
  if (function == "get_methods") {
    const auto token = token_from(arguments.bind({"token"})[0]);
    if (!token) throw PythonError("TypeError", "get_methods() takes a token");
    return exposed_of(*entry_of(token->ident).type);
  }
  if (function == "shutdown") {
    context_.shut_down("a client has shut the server down");
    return {};
  }
  throw PythonError("AttributeError", fmt::format("the server has no function '{}'", function));
}

const ObjectTable::Entry& Peer::entry_of(const Object& ident) const {
  const auto number = number_of(ident);
  const ObjectTable::Entry* entry = number ? context_.objects.find(*number) : nullptr;
  if (entry == nullptr)
    throw PythonError("KeyError",
                      fmt::format("there is no shared object {} (any more)", ident.repr(kLongestName)));
  return *entry;
}

Object Peer::decode(std::span<const std::byte> message) {
  Object value = decode_any(message);
  if (may_hold_proxies(message)) context_.objects.adopt(value);
  return value;
}

}  // namespace polyproc::inline v0
