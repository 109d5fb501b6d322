// SPDX-License-Identifier: MIT
#include <polyproc/manager/server.hpp>

#include <sys/epoll.h>

#include <cerrno>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include <polyproc/os/error.hpp>

#include "manager/builtin_types.hpp"
#include "manager/link.hpp"
#include "manager/session.hpp"
#include "manager/user_types.hpp"
#include "net/endpoint.hpp"
#include "net/greeting.hpp"
#include "net/listener_access.hpp"

namespace polyproc::inline v0 {
struct ManagerServer::State : EventLoop::Watcher {
  State(const Address& at, const AuthKey& authkey, ServeOptions serve_options)
      : key(authkey),
        options(std::move(serve_options)),
        listener(at),
        address(listener.address()),
        context{loop,      objects,
                processes, address_object(address),
                options,   [this](std::string_view reason) { stop(reason); },
                Writer()} {
    add_builtin_types(objects);
    add_user_types(objects);
    watch_listener();
  }

  ~State() override {
    while (!sessions.empty() || !ended.empty()) {
      (void)std::exchange(sessions, {});
      (void)std::exchange(ended, {});
    }
  }

  void watch_listener() { loop.add(listener.fileno(), EPOLLIN, *this); }

  void ready(std::uint32_t) override {
    try {
      while (os::Fd socket = detail::ListenerAccess::accept_now(listener)) welcome(std::move(socket));
    } catch (const OsError& error) {
      // Others wait until some have gone.
      const bool has_too_many = error.code() == EMFILE || error.code() == ENFILE;
      context.log(LogLevel::error,
                  fmt::format("{}{}", error.what(), has_too_many ? ": raise the limit of open files" : ""));
      loop.remove(listener.fileno());
      (void)loop.at(EventLoop::Clock::now() + std::chrono::milliseconds(100), [this] { watch_listener(); });
    }
  }

  // What is wrong with one who has no key yet is no matter for the others.
  void welcome(os::Fd socket) {
    const std::string name = fmt::format("client {}", ++count);
    try {
      start_session(std::move(socket), name);
    } catch (const std::exception& error) {
      context.log(LogLevel::warning, fmt::format("{}: cannot be served: {}", name, error.what()));
    }
  }

  void start_session(os::Fd socket, std::string name) {
    if (address.family() == Address::Family::tcp)
      if (const auto from = peer_address(socket.get())) name += fmt::format(" at {}", *from);
    auto session = std::make_unique<Session>(context, make_transport(std::move(socket), options.tls, {}), key,
                                             name, [this](Session& each) { forget(each); });
    Session& started = *session;
    sessions.emplace(&started, std::move(session));
    started.start();
  }

  // Destroyed when nobody is inside of it, and what it has deferred itself is done: each in its own turn. What it holds goes to
  // others, who may be found gone thereby.
  void forget(Session& session) {
    const auto found = sessions.find(&session);
    if (found == sessions.end()) return;  // all are being destroyed
    ended.push_back(std::move(found->second));
    sessions.erase(found);
    loop.defer([this] {
      auto first = std::move(ended.front());
      ended.pop_front();
      first.reset();
      objects.drop_ended();
    });
  }

  void stop(std::string_view reason) {
    loop.defer([this, why = std::string(reason)] {
      context.log(LogLevel::info, fmt::format("ends: {}", why));
      // Those who are found gone are among the ended.
      std::vector<Session*> all;
      for (const auto& [at, session] : sessions) all.push_back(at);
      for (Session* const each : all) each->say_farewell(why);
      loop.stop();
    });
  }

  struct End : EventLoop::Watcher {
    End(State& s, int d, std::string_view r) : state(s), descriptor(d), reason(r) {}
    void ready(std::uint32_t) override {
      state.loop.remove(descriptor);
      state.stop(reason);
    }
    State& state;
    int descriptor;
    std::string reason;
  };

  AuthKey key;
  ServeOptions options;
  Listener listener;
  Address address;
  EventLoop loop;
  ObjectTable objects;
  ClientProcesses processes{loop, objects};
  ServerContext context;
  std::uint64_t count = 0;
  std::unordered_map<Session*, std::unique_ptr<Session>> sessions;
  std::deque<std::unique_ptr<Session>> ended;  // in their order
  std::vector<std::unique_ptr<End>> ends;
};

ManagerServer::ManagerServer(const Address& address, const AuthKey& authkey, ServeOptions options)
    : state_(std::make_unique<State>(address, authkey, std::move(options))) {}
ManagerServer::~ManagerServer() = default;

const Address& ManagerServer::address() const noexcept { return state_->address; }
void ManagerServer::share(const std::string& name, std::string_view type) {
  const SharedType* of = state_->objects.find_type(type);
  if (of == nullptr || !of->make)
    throw InvalidArgument(fmt::format("sharing '{}': the server has no type '{}'", name, type));
  std::shared_ptr<SharedObject> object;
  try {
    object = of->make(Arguments(type, Object::tuple(), {}), state_->objects);
  } catch (const PythonError& error) {
    throw InvalidArgument(fmt::format("sharing '{}': {}", name, describe(error.exception())));
  }
  state_->objects.add_type({name, of->exposed, [object](const Arguments& arguments, ObjectTable&) {
                              (void)arguments.bind({});
                              return object;
                            }});
}
void ManagerServer::shut_down_with(int descriptor, std::string_view reason) {
  auto& end = *state_->ends.emplace_back(std::make_unique<State::End>(*state_, descriptor, reason));
  state_->loop.add(descriptor, EPOLLIN, end);
}
void ManagerServer::serve_forever() { state_->loop.run(); }
void ManagerServer::shutdown(std::string_view reason) {
  state_->loop.post([state = state_.get(), why = std::string(reason)] { state->stop(why); });
}

}  // namespace polyproc::inline v0
