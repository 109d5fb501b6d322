// SPDX-License-Identifier: MIT
// A server beside the test.
#pragma once

#include <polyproc/manager/server.hpp>

#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>

#include "support/forked_child.hpp"

namespace polyproc::testing {

inline constexpr const char* kKey = "secret";

// It sleeps when the constructor returns: who forks then copies no lock of an allocator (the address sanitizer's) that it holds.
class ServerThread {
 public:
  explicit ServerThread(const Address& address = Address::unique(), ServeOptions options = {})
      : server_(address, kKey, std::move(options)), thread_([this] {
          id_ = ::gettid();
          server_.serve_forever();
        }) {
    (void)wait_until([&] { return id_ != 0; });
    (void)wait_until_asleep(id_);
  }
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
  std::atomic<pid_t> id_{0};
  std::thread thread_;
};

}  // namespace polyproc::testing
