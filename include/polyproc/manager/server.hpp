// SPDX-License-Identifier: MIT
// ManagerServer: holds lists, dicts, queues, locks and objects of any class for other processes, which use them through proxies:
// ours (manager.hpp) and those of CPython's multiprocessing.managers, on this machine or over the network.
//
// One thread serves all clients: each call on an object is atomic, and a call that waits, for an item or a lock, holds up
// nobody.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <polyproc/net/listener.hpp>

namespace polyproc::inline v0 {

enum class LogLevel : std::uint8_t { debug, info, warning, error };

struct ServeOptions {
  // Python's from 3.12 on know better.
  bool allow_md5 = false;
  std::optional<Tls> tls = std::nullopt;
  // For TLS and the challenges; who is slower is closed.
  std::chrono::nanoseconds handshake_timeout = std::chrono::seconds(10);
  // A longer request closes its connection.
  std::uint64_t longest_message = std::uint64_t{1} << 30;
  // What the server has to tell, from its thread; nothing of the key.
  std::function<void(LogLevel, std::string_view)> log = {};
};

class POLYPROC_API ManagerServer {
 public:
  // Listens, but serves nobody yet. Throws what Listener throws.
  ManagerServer(const Address& address, const AuthKey& authkey, ServeOptions options = {});
  ManagerServer(const ManagerServer&) = delete;
  ManagerServer& operator=(const ManagerServer&) = delete;
  ~ManagerServer();

  // Where clients find it: with the port that it was given.
  [[nodiscard]] const Address& address() const noexcept;
  // An object of a type that the server has, which all clients get by this name, and which stays while the server does. Before
  // it serves. Throws InvalidArgument for a type that there is not, or whose objects need arguments, and a name that is taken.
  void share(const std::string& name, std::string_view type);
  // Ends when the descriptor, which stays the caller's, becomes readable. Before it serves.
  void shut_down_with(int descriptor, std::string_view reason);
  // In this thread, until shutdown() or until a client asks for its end. What still waits then is told why.
  void serve_forever();
  // From any thread.
  void shutdown(std::string_view reason = "the server was shut down");

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace polyproc::inline v0
