// SPDX-License-Identifier: MIT
// libFuzzer's target for what a client that has the key can say: requests as CPython makes them, and our own. Each is answered
// or refused, and afterwards nothing is left but the objects that were there.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include <polyproc/codec/codec.hpp>

#include "manager/builtin_types.hpp"
#include "manager/native_peer.hpp"
#include "manager/python_peer.hpp"

using namespace polyproc;

namespace {

class Sink final : public Peer::Wire {
 public:
  void send(std::span<const std::byte> message) override {
    if (message.empty()) std::abort();
  }
  void close() override { closed_ = true; }
  [[nodiscard]] int socket() const noexcept override { return -1; }
  [[nodiscard]] bool offer_memory() override { return true; }
  void use_memory(bool) override {}
  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  [[nodiscard]] bool closed() const noexcept { return closed_; }

 private:
  std::string name_ = "client";
  bool closed_ = false;
};

// Messages of a length in two bytes each.
void talk(Peer& peer, const Sink& sink, std::span<const std::byte> input) {
  while (input.size() >= 2 && peer.takes_more() && !sink.closed()) {
    const auto length = std::to_integer<std::size_t>(input[0]) | std::to_integer<std::size_t>(input[1]) << 8;
    input = input.subspan(2);
    const auto message = input.first(std::min(length, input.size()));
    input = input.subspan(message.size());
    peer.take(message);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  EventLoop loop;
  ObjectTable objects(1);
  const ServeOptions options;
  ClientProcesses processes(loop, objects);
  ServerContext context{loop,    objects, processes, Object("address"), options, [](std::string_view) {},
                        Writer()};
  add_builtin_types(objects);
  for (const char* type :
       {"list", "dict", "set", "Namespace", "Queue", "Event", "Lock", "RLock", "Semaphore", "Condition"}) {
    const SharedType& shared = *objects.find_type(type);
    (void)objects.add(shared, shared.make(Arguments(type, Object::tuple(), {}), objects));
  }
  const auto input = std::as_bytes(std::span(data, size)).subspan(1);
  Sink sink;
  try {
    if (data[0] % 2 == 0) {
      NativePeer peer(context, sink);
      talk(peer, sink, input);
    } else {
      PythonPeer peer(context, sink);
      const auto accept =
          to_pickle(Object::tuple({Object(), "accept_connection", Object::tuple({"x"}), Object::dict()}));
      if (data[0] >= 128) peer.take(accept);
      talk(peer, sink, input);
    }
  } catch (const Error&) {  // the connection is closed
  }
  objects.drop_ended();
  return 0;
}
