// SPDX-License-Identifier: MIT
// A client of our own: any number of calls at a time. Its references are its connection's, and are given back with it.
#pragma once

#include <unordered_map>

#include "manager/native_protocol.hpp"
#include "manager/peer.hpp"

namespace polyproc::inline v0 {

class NativePeer final : public Peer {
 public:
  NativePeer(ServerContext& context, Wire& wire);
  ~NativePeer() override;

  void take(std::span<const std::byte> message) override;

 protected:
  void send_result(std::uint64_t number, const Object& result) override;
  void send_exception(std::uint64_t number, const Object& exception) override;

 private:
  void take_call(const native::RequestHead& head, std::string_view method, std::span<const std::byte> pickle);
  void call_object(const native::RequestHead& head, std::string_view method, Object arguments,
                   Object keywords);
  [[nodiscard]] std::uint64_t create(Object arguments);
  void tell_shared(std::uint32_t number, std::uint64_t object);
  void answer_call(std::uint32_t number, Answer answer);
  void tell(native::Tell kind, std::uint64_t number, const Object& value);
  void give_up(std::uint64_t object);

  std::unordered_map<std::uint64_t, std::uint64_t> references_;  // that the client has, by object
  std::unordered_map<std::uint64_t, Object> in_flight_;          // answers with proxies that it has not seen
};

}  // namespace polyproc::inline v0
