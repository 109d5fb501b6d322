// SPDX-License-Identifier: MIT
// What a client says once it is authenticated, and what it is told: one class for each way of speaking.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <polyproc/codec/codec.hpp>
#include <polyproc/manager/server.hpp>

#include "manager/client_process.hpp"
#include "manager/object_table.hpp"

namespace polyproc::inline v0 {

// What all of a server's connections have in common.
struct ServerContext {
  EventLoop& loop;
  ObjectTable& objects;
  ClientProcesses& processes;
  Object address;  // as tokens have it
  const ServeOptions& options;
  std::function<void(std::string_view reason)> shut_down;
  Writer writer;  // for one answer after the other
  void log(LogLevel level, std::string_view text) const {
    if (options.log) options.log(level, text);
  }
};

class Peer : public ClientEnd {
 public:
  // A connection, as its peer uses it.
  class Wire {
   public:
    virtual ~Wire();
    // Takes nothing from the client meanwhile: what it has asked further, and its peer takes from now on, comes later.
    virtual void send(std::span<const std::byte> message) = 0;
    // Ends when all is sent.
    virtual void close() = 0;
    // Whether memory goes along with the next message that is sent, for the connection to go on in.
    [[nodiscard]] virtual bool offer_memory() = 0;
    [[nodiscard]] virtual int socket() const noexcept = 0;
    // What the client says to the offer.
    virtual void use_memory(bool taken) = 0;
    [[nodiscard]] virtual const std::string& name() const noexcept = 0;
  };

  Peer(ServerContext& context, Wire& wire) noexcept
      : ClientEnd(context.loop), context_(context), wire_(wire) {}

  virtual void take(std::span<const std::byte> message) = 0;
  // Whether it takes another message now; if not, it does once it has sent an answer.
  [[nodiscard]] virtual bool takes_more() const noexcept { return true; }

 protected:
  // The method of an object, with the answer or nothing when it waits. All exceptions become PythonErrors.
  [[nodiscard]] std::optional<Answer> run(const ObjectTable::Entry& entry, std::string_view method,
                                          std::uint64_t number, std::uint64_t thread, Arguments arguments);
  // (ident, exposed methods) of a new object, which has one reference.
  [[nodiscard]] Object create(const Arguments& arguments, std::uint64_t& number);
  // A function of the server. Throws PythonError.
  [[nodiscard]] Object control(std::string_view function, const Arguments& arguments);
  [[nodiscard]] static Object exposed_of(const SharedType& type);
  [[nodiscard]] const ObjectTable::Entry& entry_of(const Object& ident) const;
  [[nodiscard]] Object token_of(const SharedType& type, std::uint64_t number) const {
    return make_token(type.name, context_.address, number);
  }
  // Reads a message; its proxies of objects here hold references.
  [[nodiscard]] Object decode(std::span<const std::byte> message);

  ServerContext& context_;
  Wire& wire_;
  bool has_erred_ = false;
};

// "KeyError: 'name'"
[[nodiscard]] std::string describe(const Object& exception);
// Whether a value may hold proxies, by its bytes.
[[nodiscard]] bool may_hold_proxies(std::span<const std::byte> pickle) noexcept;

}  // namespace polyproc::inline v0
