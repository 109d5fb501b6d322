// SPDX-License-Identifier: MIT
#include "manager/python_peer.hpp"

#include <algorithm>

#include <polyproc/codec/decode_error.hpp>

namespace polyproc::inline v0 {

// A thread of the client's ends, and its connection with it: what it holds is the process's, as its references are.
PythonPeer::~PythonPeer() {
  try {
    context_.processes.holds(wire_.socket(), hand_over_locks());
  } catch (const std::exception& error) {
    context_.log(LogLevel::warning,
                 fmt::format("{}: its locks are given back: {}", wire_.name(), error.what()));
  }
  give_back();
}

PythonPeer::Request PythonPeer::parse(const Object& message) {
  if (message.kind() != Kind::tuple && message.kind() != Kind::list)
    throw PythonError("TypeError", "a request is (ident, method, arguments, keywords)");
  const auto parts = message.items();
  if (parts.size() != 4 || parts[1].kind() != Kind::string)
    throw PythonError("TypeError", "a request is (ident, method, arguments, keywords)");
  return {parts[0], parts[2], parts[3], parts[1].as_string()};
}

void PythonPeer::take(std::span<const std::byte> message) {
  in_flight_ = {};
  created_.reset();
  try {
    Request request = parse(decode(message));
    if (serves_calls_)
      take_call(std::move(request));
    else
      take_control(std::move(request));
  } catch (const PythonError& error) {
    send_traceback(describe(error.exception()));
  } catch (const Error& error) {
    if (!std::exchange(has_erred_, true))
      context_.log(LogLevel::warning,
                   fmt::format("{}: a request was refused: {}", wire_.name(), error.what()));
    send_traceback(error.what());
  }
  context_.objects.drop_ended();
}

// Whatever comes of it, the connection ends with its answer, unless it goes on with calls.
void PythonPeer::take_control(Request request) {
  const Arguments arguments(request.method, std::move(request.arguments), std::move(request.keywords));
  try {
    reply("#RETURN", own_control(request.method, arguments));
  } catch (const PythonError& error) {
    send_traceback(describe(error.exception()));
  }
  if (!serves_calls_) wire_.close();
}

Object PythonPeer::own_control(const std::string& function, const Arguments& arguments) {
  ObjectTable& objects = context_.objects;
  const auto number_in = [&](const Object& ident) {
    (void)entry_of(ident);
    return *number_of(ident);
  };
  if (function == "accept_connection") {
    serves_calls_ = true;
    return {};
  }
  if (function == "create") {
    std::uint64_t number = 0;
    Object created = create(arguments, number);
    context_.processes.took(wire_.socket(), number);
    return created;
  }
  if (function == "incref") {
    const std::uint64_t number = number_in(arguments.bind({"ident"})[0]);
    objects.increase(number);
    context_.processes.took(wire_.socket(), number);
    return {};
  }
  if (function == "decref") {
    const std::uint64_t number = number_in(arguments.bind({"ident"})[0]);
    context_.processes.gave(wire_.socket(), number);
    objects.decrease(number);
    return {};
  }
  return control(function, arguments);
}

void PythonPeer::take_call(Request request) {
  const ObjectTable::Entry& entry = entry_of(request.ident);
  const auto& exposed = entry.type->exposed;
  waits_ = true;
  try {
    const bool known = std::find(exposed.begin(), exposed.end(), request.method) != exposed.end();
    auto answer =
        known ? run(entry, request.method, 0, 0,
                    Arguments(request.method, std::move(request.arguments), std::move(request.keywords)))
              : fallback(entry, request);
    if (!answer) return;
    waits_ = false;
    answer_call(std::move(*answer));
  } catch (const PythonError& error) {
    waits_ = false;
    reply("#ERROR", error.exception());
  }
}

// Names that work although nothing exposes them.
std::optional<Answer> PythonPeer::fallback(const ObjectTable::Entry& entry, const Request& request) {
  try {
    if (request.method == "__str__" || request.method == "__repr__") return Object(entry.object->repr());
    if (request.method == "#GETVALUE") return entry.object->value();
  } catch (const PythonError&) {
    throw;
  } catch (...) {
    rethrow_as_python_error();
  }
  waits_ = false;
  send_traceback(fmt::format("AttributeError: method '{}' of '{}' object is not in exposed={}",
                             request.method, entry.type->name, exposed_of(*entry.type).repr()));
  return std::nullopt;
}

void PythonPeer::answer_call(Answer answer) {
  if (!answer.shared) {
    reply("#RETURN", answer.value);
    return;
  }
  const SharedType* type = context_.objects.find_type(answer.typeid_name);
  const std::uint64_t number = context_.objects.add(*type, std::move(answer.shared));
  context_.processes.took(wire_.socket(), number);
  created_ = std::make_shared<const ObjectReference>(context_.objects, number);
  // The client counts its own reference up, and gives back the one that the object came with.
  reply("#PROXY", Object::tuple({exposed_of(*type), token_of(*type, number)}));
}

void PythonPeer::send_result(std::uint64_t, const Object& result) {
  waits_ = false;
  reply("#RETURN", result);
}

void PythonPeer::send_exception(std::uint64_t, const Object& exception) {
  waits_ = false;
  reply("#ERROR", exception);
}

void PythonPeer::send_traceback(const std::string& text) {
  reply("#TRACEBACK",
        Object(fmt::format("Traceback (most recent call last):\n  in a polyproc server\n{}\n", text)));
}

void PythonPeer::reply(std::string_view kind, const Object& result) {
  Writer& out = context_.writer;
  out.clear();
  try {
    encode_pickle(Object::tuple({kind, result}), out);
  } catch (const std::exception& error) {
    out.clear();
    encode_pickle(Object::tuple({"#UNSERIALIZABLE", error.what()}), out);
  }
  if (context_.objects.nested() != 0 && may_hold_proxies(out.bytes())) in_flight_ = result;
  wire_.send(out.bytes());
}

}  // namespace polyproc::inline v0
