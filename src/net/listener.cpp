// SPDX-License-Identifier: MIT
#include <polyproc/net/listener.hpp>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>

#include "net/connecting.hpp"
#include "net/endpoint.hpp"
#include "net/greeting.hpp"
#include "net/listener_access.hpp"
#include "net/unix_path.hpp"
#include "os/poll.hpp"

namespace polyproc::inline v0 {
namespace {

// Of one connection, not of the listener: accept(2), "Error handling", and ERRORS for a firewall's EPERM.
bool is_of_who_connects(int error) noexcept {
  constexpr std::array kErrors{ECONNABORTED, EPERM,        ENETDOWN,   EPROTO,      ENOPROTOOPT, EHOSTDOWN,
                               ENONET,       EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH, ETIMEDOUT};
  return std::find(kErrors.begin(), kErrors.end(), error) != kErrors.end();
}

// Nothing when nobody is there (any more).
os::Fd accept_one(int listener) {
  for (;;) {
    os::Fd socket(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (socket || errno == EAGAIN || is_of_who_connects(errno)) return socket;
    if (errno != EINTR) os::throw_os_error(errno, "accept", "a listener");
  }
}

os::Fd bind_tcp(const Address& address, int backlog) {
  int error = EADDRNOTAVAIL;
  for (const Endpoint& endpoint : resolve(address, true)) {
    os::Fd socket = make_stream_socket(endpoint);
    switch_on(socket.get(), SOL_SOCKET, SO_REUSEADDR);
    if (::bind(socket.get(), endpoint.get(), endpoint.size) == 0 && ::listen(socket.get(), backlog) == 0)
      return socket;
    error = errno;
  }
  os::throw_os_error(error, "listening: bind", address.str());
}

}  // namespace

struct Listener::State {
  Address address;
  ListenOptions options;
  os::Fd socket;
  BoundPath path;
  std::optional<Address> last;

  // Whoever has gone before is passed over.
  os::Fd accept_one_that_is_there() {
    os::Fd accepted = accept_one(socket.get());
    if (!accepted || address.family() != Address::Family::tcp) return accepted;
    auto from = peer_address(accepted.get());
    if (!from) return {};
    last = std::move(from);
    return accepted;
  }
};

Listener::Listener(const Address& address, ListenOptions options)
    : state_(new State{address, std::move(options), {}, {}, {}}) {
  State& state = *state_;
  if (address.family() == Address::Family::tcp) {
    state.socket = bind_tcp(address, state.options.backlog);
    state.address = Address::tcp(address.host(), own_address(state.socket.get()).port());
    return;
  }
  const Endpoint endpoint = resolve(address, true).front();
  state.socket = make_stream_socket(endpoint);
  if (address.family() == Address::Family::unix_path) {
    listen_at_path(state.socket.get(), address.path(), endpoint, state.options.backlog);
    state.path = BoundPath(address.path());
  } else {
    const std::string name = address.str();
    os::checked("bind", name, [&] { return ::bind(state.socket.get(), endpoint.get(), endpoint.size); });
    os::checked("listen", name, [&] { return ::listen(state.socket.get(), state.options.backlog); });
  }
}

Listener::Listener(Listener&&) noexcept = default;
Listener& Listener::operator=(Listener&&) noexcept = default;
Listener::~Listener() = default;

Listener::State& Listener::state(const char* act) const {
  if (!state_) throw UsageError(fmt::format("{} a listener: it was closed or moved from", act));
  return *state_;
}

std::optional<ByteSocketConnection> Listener::accept_until(Deadline deadline) {
  State& state = this->state("accepting from");
  os::Fd socket;
  while (!(socket = state.accept_one_that_is_there())) {
    if (!os::wait_for(state.socket.get(), POLLIN, deadline, "a listener")) return std::nullopt;
  }
  settle(socket, state.address.family());
  const ListenOptions& options = state.options;
  return greet(std::move(socket),
               {Handshake::Side::listener, options.authkey, options.allow_md5, options.tls, {}},
               Deadline::after(options.handshake_timeout));
}

os::Fd detail::ListenerAccess::accept_now(Listener& listener) {
  Listener::State& state = listener.state("accepting from");
  os::Fd socket = accept_one(state.socket.get());
  if (socket) settle(socket, state.address.family());
  return socket;
}

const Address& Listener::address() const { return state("asking").address; }
const std::optional<Address>& Listener::last_accepted() const { return state("asking").last; }
int Listener::fileno() const { return state("asking").socket.get(); }
void Listener::close() noexcept { state_.reset(); }

ByteSocketConnection connect_to(const Address& address, const ConnectOptions& options) {
  const Deadline deadline = Deadline::after(options.timeout);
  return greet(connect_socket(address, deadline),
               {Handshake::Side::client, options.authkey, options.allow_md5, options.tls, host_of(address)},
               deadline);
}

}  // namespace polyproc::inline v0
