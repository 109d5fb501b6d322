// SPDX-License-Identifier: MIT
// As CPython's own clients do: each thread has a connection for its calls, since there a lock's owner is a thread of the server;
// control functions have one each. Calls are made when they are started.
#include "manager/python_link.hpp"

#include <mutex>
#include <new>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <polyproc/codec/codec.hpp>
#include <polyproc/os/error.hpp>

#include "manager/object_table.hpp"

namespace polyproc::inline v0 {
namespace {

using native::Ask;
using native::Tell;

class PythonLink;

// The links that this thread has a connection of; it is given up with the thread.
struct ThreadLinks {
  ~ThreadLinks();
  std::vector<std::weak_ptr<PythonLink>> all;
};
thread_local ThreadLinks thread_links;

Object request(Object ident, std::string_view method, Object arguments, Object keywords) {
  return Object::tuple({std::move(ident), method, std::move(arguments), std::move(keywords)});
}

// (kind, result)
std::pair<std::string, Object> ask(const ByteSocketConnection& connection, const Object& message) {
  connection.send_bytes(to_pickle(message));
  const Object reply = decode_any(connection.recv_bytes());
  if (reply.kind() != Kind::tuple || reply.size() != 2 || reply.items()[0].kind() != Kind::string)
    throw DecodeError("a manager's answer that is none", 0);
  return {reply.items()[0].as_string(), reply.items()[1]};
}

class PythonLink final : public Link {
 public:
  PythonLink(LinkOptions options, OwnConnection first) : Link(std::move(options)) {
    token_address_ = address_object(options_.address);
    (void)control_on(Connection(std::move(first)).messages, "dummy", Object::tuple());
  }

  std::shared_ptr<PendingAnswer> start(Ask ask_for, std::uint64_t object, std::string_view method,
                                       std::span<const std::byte> arguments) override {
    renew_after_fork();
    Object given = decode_any(arguments), keywords = Object::dict();
    if (ask_for == Ask::call_by_name) {
      keywords = given.items()[1];
      given = Object(given.items()[0]);
    }
    try {
      auto [kind, result] = ask_for == Ask::control
                                ? control_on(connect().messages, method, given)
                                : ask(thread_connection(), request(ident_of(object), method, std::move(given),
                                                                   std::move(keywords)));
      if (ask_for == Ask::control && method == "create" && kind == "#RETURN")
        return make_answer(Tell::shared, created(std::as_const(given).items()[0], result));
      return make_answer(kind, result);
    } catch (const EndOfFile&) {
      forget_thread(thread_number());
      throw Closed(fmt::format(
          "the manager's server at {} is gone: it has ended or was killed; objects there are lost",
          options_.address));
    }
  }
  bool wait(PendingAnswer&, Deadline) override { return true; }
  void forget_thread(std::uint32_t thread) {
    const std::lock_guard lock(lock_);
    connections_.erase(thread);
  }
  bool is_broken() const noexcept override { return false; }

 protected:
  void send_increase(std::uint64_t object) override { count("incref", object); }
  void send_decrease(std::uint64_t object) override { count("decref", object); }
  // Those of the parent's threads are the parent's.
  void reopen() override {
    new (&lock_) std::mutex();
    connections_.clear();
  }

 private:
  struct Connection {
    explicit Connection(OwnConnection own)
        : socket(std::move(own.socket)), messages(std::move(own.transport)) {}
    PrivateSocket socket;
    ByteSocketConnection messages;
  };
  [[nodiscard]] Connection connect() const { return Connection(open_connection(options_, {})); }
  static std::pair<std::string, Object> control_on(const ByteSocketConnection& connection,
                                                   std::string_view function, const Object& arguments) {
    return ask(connection, request(Object(), function, arguments, Object::dict()));
  }
  void count(std::string_view function, std::uint64_t object) const {
    (void)control_on(connect().messages, function, Object::tuple({ident_of(object)}));
  }

  ByteSocketConnection thread_connection() {
    {
      const std::lock_guard lock(lock_);
      const auto found = connections_.find(thread_number());
      if (found != connections_.end()) return found->second.messages;
    }
    auto connection = connect();
    const auto [kind, result] = control_on(connection.messages, "accept_connection",
                                           Object::tuple({fmt::format("polyproc|{}", thread_number())}));
    if (kind != "#RETURN") throw DecodeError("a manager that accepts no connection", 0);
    std::erase_if(thread_links.all, [](const auto& each) { return each.expired(); });
    thread_links.all.push_back(std::static_pointer_cast<PythonLink>(shared_from_this()));
    const std::lock_guard lock(lock_);
    return connections_.emplace(thread_number(), std::move(connection)).first->second.messages;
  }

  // A dict's view is pickled as list(its elements).
  static const Object& without_view(const Object& result) {
    const bool is_view = result.kind() == Kind::instance && result.callable().kind() == Kind::name &&
                         result.callable().qualified_name() == "list" && result.arguments().size() == 1;
    return is_view ? result.arguments().items()[0] : result;
  }

  // (number, typeid, exposed methods), of (ident, exposed methods)
  static Object created(const Object& type, const Object& result) {
    if (result.kind() != Kind::tuple || result.size() != 2)
      throw DecodeError("a manager's answer to create() that is none", 0);
    return describe(type, result.items()[0], result.items()[1]);
  }
  static Object describe(const Object& type, const Object& ident, const Object& exposed) {
    const auto number = number_of(ident);
    if (!number) throw DecodeError("an object's name that is none", 0);
    return Object::tuple({*number, type, exposed});
  }

  std::shared_ptr<PendingAnswer> make_answer(Tell tell, const Object& value) {
    auto answer = std::make_shared<PendingAnswer>(shared_from_this());
    answer->deliver(tell, 0, to_pickle(value), 0);
    return answer;
  }

  std::shared_ptr<PendingAnswer> make_answer(const std::string& kind, const Object& result) {
    if (kind == "#RETURN") return make_answer(Tell::value, without_view(result));
    if (kind == "#ERROR") return make_answer(Tell::exception, result);
    if (kind == "#PROXY" && result.kind() == Kind::tuple && result.size() == 2) {
      if (const auto token = token_from(result.items()[1]))
        return make_answer(Tell::shared, describe(token->typeid_name, token->ident, result.items()[0]));
    }
    if ((kind == "#TRACEBACK" || kind == "#UNSERIALIZABLE") && result.kind() == Kind::string)
      return make_answer(Tell::refusal, result);
    throw DecodeError(fmt::format("a manager's answer of kind '{}'", kind), 0);
  }

  std::mutex lock_;
  std::unordered_map<std::uint32_t, Connection> connections_;  // by thread
};

ThreadLinks::~ThreadLinks() {
  for (const auto& each : all)
    if (const auto link = each.lock()) link->forget_thread(thread_number());
}

}  // namespace

std::shared_ptr<Link> make_python_link(LinkOptions options, OwnConnection connection) {
  return std::make_shared<PythonLink>(std::move(options), std::move(connection));
}

}  // namespace polyproc::inline v0
