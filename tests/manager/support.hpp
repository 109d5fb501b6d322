// SPDX-License-Identifier: MIT
// A server beside the test.
#pragma once

#include <polyproc/manager/server.hpp>

#include <string>
#include <thread>
#include <utility>

namespace polyproc::testing {

inline constexpr const char* kKey = "secret";

class ServerThread {
 public:
  explicit ServerThread(const Address& address = Address::unique(), ServeOptions options = {})
      : server_(address, kKey, std::move(options)), thread_([this] { server_.serve_forever(); }) {}
  ~ServerThread() {
    server_.shutdown();
    thread_.join();
  }
  ServerThread(const ServerThread&) = delete;
  ServerThread& operator=(const ServerThread&) = delete;

  [[nodiscard]] const Address& address() const { return server_.address(); }
  [[nodiscard]] ManagerServer& server() noexcept { return server_; }

 private:
  ManagerServer server_;
  std::thread thread_;
};

}  // namespace polyproc::testing
