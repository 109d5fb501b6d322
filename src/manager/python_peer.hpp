// SPDX-License-Identifier: MIT
// A client that speaks as CPython's multiprocessing.managers: a control function on a connection of its own, or, after
// accept_connection, one call after the other.
#pragma once

#include "manager/peer.hpp"

namespace polyproc::inline v0 {

class PythonPeer final : public Peer {
 public:
  using Peer::Peer;
  ~PythonPeer() override;

  void take(std::span<const std::byte> message) override;
  [[nodiscard]] bool takes_more() const noexcept override { return !waits_; }

 protected:
  void send_result(std::uint64_t number, const Object& result) override;
  void send_exception(std::uint64_t number, const Object& exception) override;

 private:
  struct Request {
    Object ident, arguments, keywords;
    std::string method;
  };
  [[nodiscard]] static Request parse(const Object& message);
  void take_control(Request request);
  void take_call(Request request);
  // Those that only this protocol has, and all others.
  [[nodiscard]] Object own_control(const std::string& function, const Arguments& arguments);
  [[nodiscard]] std::optional<Answer> fallback(const ObjectTable::Entry& entry, const Request& request);
  void answer_call(Answer answer);
  void send_traceback(const std::string& text);
  void reply(std::string_view kind, const Object& result);

  bool serves_calls_ = false;
  bool waits_ = false;  // a call has no answer yet
  Object in_flight_;    // an answer that holds proxies lives until its client, who has seen it, asks again
  std::shared_ptr<const ObjectReference> created_;  // the same of an object that a call has made
};

}  // namespace polyproc::inline v0
