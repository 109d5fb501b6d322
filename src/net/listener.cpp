// SPDX-License-Identifier: MIT
#include <polyproc/net/listener.hpp>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>

#include "net/endpoint.hpp"
#include "net/greeting.hpp"
#include "net/listener_access.hpp"
#include "net/unix_path.hpp"
#include "os/poll.hpp"

namespace polyproc::inline v0 {
namespace {

void set_option(int socket, int level, int option) {
  const int on = 1;
  os::checked("setsockopt", "a connection",
              [&] { return ::setsockopt(socket, level, option, &on, sizeof on); });
}

// Blocking from now on; small messages leave at once.
void settle(const os::Fd& socket, Address::Family family) {
  os::checked("fcntl F_SETFL", "a connection", [&] { return ::fcntl(socket.get(), F_SETFL, 0); });
  if (family == Address::Family::tcp) set_option(socket.get(), IPPROTO_TCP, TCP_NODELAY);
}

// Nothing when nobody is there (any more).
os::Fd accept_one(int listener) {
  for (;;) {
    os::Fd socket(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (socket || errno == EAGAIN || errno == ECONNABORTED) return socket;
    if (errno != EINTR) os::throw_os_error(errno, "accept", "a listener");
  }
}

os::Fd bind_tcp(const Address& address, int backlog) {
  int error = EADDRNOTAVAIL;
  for (const Endpoint& endpoint : resolve(address, true)) {
    os::Fd socket = make_stream_socket(endpoint);
    set_option(socket.get(), SOL_SOCKET, SO_REUSEADDR);
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
  while (!(socket = accept_one(state.socket.get()))) {
    if (!os::wait_for(state.socket.get(), POLLIN, deadline, "a listener")) return std::nullopt;
  }
  settle(socket, state.address.family());
  if (state.address.family() == Address::Family::tcp) state.last = peer_address(socket.get());
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

namespace {

// An errno, 0 when connected. Throws TimeoutError.
int try_connect(int socket, const Endpoint& endpoint, Deadline deadline, const Address& address) {
  const auto throw_late = [&] {
    throw TimeoutError(
        fmt::format("connecting to {}: it does not answer; is it the right address?", address));
  };
  // A Unix listener with too many waiting says so at once.
  while (::connect(socket, endpoint.get(), endpoint.size) != 0) {
    if (errno == EAGAIN && address.family() != Address::Family::tcp) {
      if (deadline.passed()) throw_late();
      ::poll(nullptr, 0, 1);
      continue;
    }
    if (errno != EINPROGRESS && errno != EINTR) return errno;
    if (!os::wait_for(socket, POLLOUT, deadline, address.str())) throw_late();
    int error = 0;
    socklen_t size = sizeof error;
    os::checked("getsockopt", address.str(),
                [&] { return ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size); });
    return error;
  }
  return 0;
}

}  // namespace

ByteSocketConnection connect_to(const Address& address, const ConnectOptions& options) {
  const Deadline deadline = Deadline::after(options.timeout);
  int error = 0;
  for (const Endpoint& endpoint : resolve(address, false)) {
    os::Fd socket = make_stream_socket(endpoint);
    error = try_connect(socket.get(), endpoint, deadline, address);
    if (error != 0) continue;
    settle(socket, address.family());
    const std::string host = address.family() == Address::Family::tcp ? address.host() : std::string();
    return greet(std::move(socket),
                 {Handshake::Side::client, options.authkey, options.allow_md5, options.tls, host}, deadline);
  }
  os::throw_os_error(error, "connect", address.str());
}

}  // namespace polyproc::inline v0
