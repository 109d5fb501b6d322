// SPDX-License-Identifier: MIT
// Listener and Client: connections between programs, on one machine or over the network, with CPython's
// multiprocessing.connection at the other end as well.
//
//     polyproc::Listener listener("localhost:5000", {.authkey = key});      // one program
//     auto connection = listener.accept<std::string>();
//     std::string question = connection.recv();
//
//     polyproc::Client<std::string> connection("localhost:5000", {.authkey = key});  // another one
//     connection.send("who are you?");
//
// With a key, each end shows the other that it has it, without sending it (docs/protocol.md). Both ends have one, or neither.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include <polyproc/net/authkey.hpp>
#include <polyproc/net/socket_connection.hpp>
#include <polyproc/net/tls.hpp>

namespace polyproc::inline v0 {

struct ConnectOptions {
  std::optional<AuthKey> authkey = std::nullopt;
  // The other end may answer with MD5, as CPython before 3.12 does.
  bool allow_md5 = false;
  std::optional<Tls> tls = std::nullopt;
  // For connecting, TLS and the challenges together.
  std::chrono::nanoseconds timeout = std::chrono::seconds(20);
};

struct ListenOptions {
  std::optional<AuthKey> authkey = std::nullopt;
  bool allow_md5 = false;
  std::optional<Tls> tls = std::nullopt;
  // For TLS and the challenges of one who has connected; the others wait so long.
  std::chrono::nanoseconds handshake_timeout = std::chrono::seconds(10);
  // How many may wait to be accepted; the system may allow fewer.
  int backlog = 4096;
};

namespace detail {
struct ListenerAccess;
}

class POLYPROC_API Listener {
 public:
  // A Unix socket's path that a listener which was killed has left behind is taken over; one that is in use, or is no socket, is
  // not: OsError (EADDRINUSE). Owner-only. TimeoutError when another program holds the lock (flock) of its folder for 5 seconds,
  // which anybody can who may read that; so not in /tmp, where others are not trusted. By default an abstract name that nobody else has.
  explicit Listener(const Address& address = Address::unique(), ListenOptions options = {});
  Listener(Listener&&) noexcept;
  Listener& operator=(Listener&&) noexcept;
  // Removes its path.
  ~Listener();

  // The next one who connects. Throws AuthenticationError for one without the key, Error for one that does not agree upon TLS,
  // EndOfFile for one who goes, TimeoutError for one who is too slow; the listener goes on.
  template <class T = Object>
  [[nodiscard]] SocketConnection<T> accept() {
    return SocketConnection<T>(*accept_until(Deadline::never()));
  }
  // Nothing when nobody connects until then.
  template <class T = Object, class Rep, class Period>
  [[nodiscard]] std::optional<SocketConnection<T>> accept_for(
      const std::chrono::duration<Rep, Period>& timeout) {
    auto accepted = accept_until(Deadline::after(timeout));
    if (!accepted) return std::nullopt;
    return SocketConnection<T>(std::move(*accepted));
  }
  [[nodiscard]] std::optional<ByteSocketConnection> accept_until(Deadline deadline);

  // Where others find it: with the port that it was given.
  [[nodiscard]] const Address& address() const;
  // Where the last one who was accepted has connected from, for TCP.
  [[nodiscard]] const std::optional<Address>& last_accepted() const;
  // Readable when somebody has connected.
  [[nodiscard]] int fileno() const;
  void close() noexcept;
  [[nodiscard]] bool closed() const noexcept { return state_ == nullptr; }

 private:
  friend struct detail::ListenerAccess;
  struct State;
  [[nodiscard]] State& state(const char* act) const;
  std::unique_ptr<State> state_;
};

// Throws OsError when nobody listens there, AuthenticationError, TimeoutError, and what the listener's accept does.
[[nodiscard]] POLYPROC_API ByteSocketConnection connect_to(const Address& address,
                                                           const ConnectOptions& options);

template <class T = Object>
class Client : public SocketConnection<T> {
 public:
  explicit Client(const Address& address, const ConnectOptions& options = {})
      : SocketConnection<T>(connect_to(address, options)) {}
};

}  // namespace polyproc::inline v0
