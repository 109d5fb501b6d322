// SPDX-License-Identifier: MIT
// The allow-list: the only names that GLOBAL, STACK_GLOBAL and REDUCE accept, and what they make. Protocols 0 to 2 have
// no opcodes for bytes, bytearrays, sets and complex numbers; CPython writes them as calls of these. Where classes are kept, all
// others are names, and calls of them instances.
#include <array>

#include <polyproc/codec/decode_error.hpp>

#include "codec/loader.hpp"
#include "codec/node.hpp"
#include "codec/text.hpp"

namespace polyproc::inline v0::detail {

namespace {

struct Name {
  std::string_view module, name;
  Constructor constructor;
};

constexpr std::array<Name, 6> kNames{{{"builtins", "set", Constructor::set},
                                      {"builtins", "frozenset", Constructor::frozenset},
                                      {"builtins", "bytearray", Constructor::bytearray},
                                      {"builtins", "complex", Constructor::complex},
                                      {"builtins", "bytes", Constructor::bytes},
                                      {"_codecs", "encode", Constructor::encode}}};

bool is_number(const Object& object) noexcept {
  return object.kind() == Kind::floating || object.kind() == Kind::integer || object.kind() == Kind::boolean;
}

double to_double(const Object& object) {
  return object.kind() == Kind::floating ? object.as_double() : object.as_integer().to_double();
}

}  // namespace

void Loader::push_constructor(std::string_view module, std::string_view name) {
  if (module == "__builtin__") module = "builtins";  // in Python 2
  if (valid_prefix(module) != module.size() || valid_prefix(name) != name.size())
    fail("the name of a class is no UTF-8");
  const Object named = keeps_classes_ ? make_name(std::string(module), std::string(name)) : Object();
  for (const Name& known : kNames) {
    if (known.module == module && known.name == name) return stack_.push_back({named, known.constructor});
  }
  constexpr int kFirstWithNamesOfPython3 = 3;
  if (keeps_classes_ && protocol_ < kFirstWithNamesOfPython3)
    fail("classes are kept from protocol 3 on; below it they have the names that Python 2 gave them");
  if (keeps_classes_) return push(named);
  fail(fmt::format("{}.{} is no plain data; classes and functions are not loaded",
                   Object(module.substr(0, 100)).repr(), Object(name.substr(0, 100)).repr()));
}

bool Loader::step_reduction(Opcode op) {
  if (op == Opcode::global) {
    const std::string_view module = line();
    push_constructor(module, line());
  } else if (op == Opcode::stack_global) {
    const Object name = pop_value();
    const Object module = pop_value();
    if (name.kind() != Kind::string || module.kind() != Kind::string) fail("the name of a class is expected");
    push_constructor(module.as_utf8(), name.as_utf8());
  } else if (op == Opcode::reduce) {
    reduce();
  } else {
    return false;
  }
  return true;
}

void Loader::reduce() {
  const Object arguments = pop_value();
  const Slot callee = pop();
  if (arguments.kind() != Kind::tuple) fail("arguments of a call are expected");
  if (!keeps_classes_) {
    if (callee.constructor == Constructor::none) fail("a call of what is no class");
    return push(construct(callee.constructor, arguments.items()));
  }
  if (callee.constructor != Constructor::none) {
    try {
      return push(construct(callee.constructor, arguments.items()));
    } catch (const DecodeError&) {  // a call that only Python can do
    } catch (const TypeMismatch&) {
    }
  }
  push_instance(Opcode::reduce, callee, arguments, {});
}

Object Loader::construct(Constructor constructor, std::span<const Object> arguments) {
  switch (constructor) {
    case Constructor::set:
      return construct_set(Kind::set, arguments);
    case Constructor::frozenset:
      return construct_set(Kind::frozenset, arguments);
    case Constructor::bytearray:
      return construct_bytearray(arguments);
    case Constructor::complex:
      return construct_complex(arguments);
    case Constructor::bytes:
      if (!arguments.empty()) fail("bytes() takes no arguments here");
      return Object::bytes({});
    default:
      return latin1(arguments, Kind::bytes);
  }
}

Object Loader::construct_set(Kind kind, std::span<const Object> arguments) {
  std::vector<Object> items;
  if (arguments.size() > 1 || (arguments.size() == 1 && !is_sequence(arguments[0].kind())))
    fail("a set is made of one list");
  if (!arguments.empty()) {
    const auto list = arguments[0].items();
    // A list may be referred to again and again: what is made of it must not outgrow the input.
    made_ += list.size();
    if (made_ > 64 * input_.size()) fail("sets are made of the same list again and again");
    items.assign(list.begin(), list.end());
  }
  return kind == Kind::set ? Object::set(std::move(items)) : Object::frozenset(std::move(items));
}

Object Loader::construct_bytearray(std::span<const Object> arguments) {
  if (arguments.empty()) return Object::bytearray({});
  if (arguments.size() == 1 && arguments[0].kind() == Kind::bytes) {
    made_ += arguments[0].size();
    if (made_ > 64 * input_.size()) fail("bytearrays are made of the same bytes again and again");
    return Object::bytearray(arguments[0].as_bytes());
  }
  return latin1(arguments, Kind::bytearray);
}

Object Loader::construct_complex(std::span<const Object> arguments) {
  if (arguments.size() != 2 || !is_number(arguments[0]) || !is_number(arguments[1]))
    fail("a complex number is made of two floats");
  return std::complex<double>(to_double(arguments[0]), to_double(arguments[1]));
}

// (text, "latin1"): a byte for each character.
Object Loader::latin1(std::span<const Object> arguments, Kind kind) {
  if (arguments.size() != 2 || arguments[0].kind() != Kind::string || arguments[1].kind() != Kind::string)
    fail("bytes are made of a string and the name of an encoding");
  const std::string_view encoding = arguments[1].as_utf8();
  if (encoding != "latin1" && encoding != "latin-1") fail("bytes are made of strings in latin1 alone");
  const std::string_view text = arguments[0].as_utf8();
  made_ += text.size();
  if (made_ > 64 * input_.size()) fail("bytes are made of the same string again and again");
  std::string bytes;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t character = next_character(text, at);
    if (character > 0xff) fail("a character that is not in latin1");
    bytes.push_back(static_cast<char>(character));
  }
  return make_text(kind, std::move(bytes));
}

}  // namespace polyproc::inline v0::detail
