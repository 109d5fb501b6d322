// SPDX-License-Identifier: MIT
#include <polyproc/manager/manager.hpp>

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <mutex>
#include <vector>

#include <polyproc/channel/connection.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/process/process.hpp>

#include "manager/link.hpp"
#include "manager/user_types.hpp"
#include "os/owner_signals.hpp"
#include "os/pidfd.hpp"

namespace polyproc::inline v0 {

namespace {

// What a server process is started with.
struct ServerStart {
  std::string address;
  std::vector<std::byte> key;
  ServeOptions options;
  std::vector<detail::UserType> types;
  pid_t owner;
};

}  // namespace

template <>
struct Transfer<ServerStart> {
  static void encode(Encoder& out, const ServerStart& start) {
    if (start.options.tls || start.options.log)
      throw UsageError(
          "starting a manager: TLS and a log cannot go to a server process under spawn and forkserver; start "
          "it "
          "with fork, or use ManagerServer in a process of your own");
    Transfer<std::string>::encode(out, start.address);
    Transfer<std::vector<std::byte>>::encode(out, start.key);
    out.write_count(start.options.allow_md5 ? 1 : 0);
    out.write_count(static_cast<std::uint64_t>(start.options.handshake_timeout.count()));
    out.write_count(start.options.longest_message);
    Transfer<std::vector<detail::UserType>>::encode(out, start.types);
    out.write_count(static_cast<std::uint64_t>(start.owner));
  }
  static ServerStart decode(Decoder& in) {
    ServerStart start;
    start.address = Transfer<std::string>::decode(in);
    start.key = Transfer<std::vector<std::byte>>::decode(in);
    start.options.allow_md5 = in.read_count() != 0;
    start.options.handshake_timeout = std::chrono::nanoseconds(in.read_count());
    start.options.longest_message = in.read_count();
    start.types = Transfer<std::vector<detail::UserType>>::decode(in);
    start.owner = static_cast<pid_t>(in.read_count());
    return start;
  }
};

namespace {

using Control = Connection<std::vector<std::string>>;

// Whatever the program does with signals: it may have SIGTERM blocked in the thread that starts the server.
void take_only_termination() noexcept {
  os::leave_signals_to_owner();
  sigset_t termination;
  ::sigemptyset(&termination);
  ::sigaddset(&termination, SIGTERM);
  ::pthread_sigmask(SIG_UNBLOCK, &termination, nullptr);
}

// In the server process. Says {"at", address} or {"error", text}; ends when it hears anything, or its owner has ended.
void run_server(ServerStart start, const Control& control) {
  take_only_termination();
  std::optional<ManagerServer> server;
  std::optional<os::Fd> owner;
  try {
    owner = os::open_pidfd(start.owner);
    register_types(std::move(start.types));
    server.emplace(start.address, AuthKey(start.key), std::move(start.options));
    if (owner) server->shut_down_with(owner->get(), "the process that owns the manager has ended");
    server->shut_down_with(control.fileno(), "the manager was shut down");
    control.send({"at", server->address().str()});
  } catch (const std::exception& error) {
    control.send({"error", error.what()});
    return;
  }
  if (owner) server->serve_forever();
}

}  // namespace

// Ends the server with the last Manager of the process that has started it.
struct Manager::Server {
  Server(Process p, Control c) : process(std::move(p)), control(std::move(c)), owner(::getpid()) {}
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server() { end(); }

  void end() noexcept {
    if (owner != ::getpid() || ended) return;
    ended = true;
    constexpr std::chrono::seconds kPatience{10};
    try {
      control.send({"end"});
    } catch (const std::exception&) {  // it has ended already
    }
    try {
      if (!process.join_for(kPatience)) process.kill();
      process.join();
    } catch (const std::exception&) {  // its end will be seen at exit
    }
  }

  Process process;
  Control control;
  pid_t owner;
  bool ended = false;
};

namespace {

// Managers that live until the program exits end before it waits for its children.
struct Started {
  std::mutex lock;
  std::vector<std::weak_ptr<void>> servers;
};
Started& started() {
  static Started& all = *new Started();
  return all;
}

}  // namespace

Manager::Manager(ManagerOptions options) {
  const AuthKey key = options.authkey ? *options.authkey : AuthKey::random();
  auto [ours, theirs] = Pipe<std::vector<std::string>>();
  ServerStart start{options.address ? options.address->str() : Address::unique().str(),
                    {key.bytes().begin(), key.bytes().end()},
                    std::move(options.serve),
                    {},
                    ::getpid()};
  const ConnectOptions connect{.allow_md5 = false, .tls = start.options.tls};
  for (const auto& type : registered_types()) start.types.push_back(*type);
  Process process({.name = "Manager", .method = options.method}, run_server, std::move(start), theirs);
  process.start();
  theirs.close();
  std::vector<std::string> said;
  try {
    said = ours.recv();
  } catch (const EndOfFile&) {
    said = {"error", "its process has ended before it listened"};
  }
  if (said.size() != 2 || said[0] != "at") {
    process.join();
    throw Error("starting a manager: " +
                (said.size() == 2 ? said[1] : std::string("its server cannot be understood")));
  }
  server_ = std::make_shared<Server>(std::move(process), std::move(ours));
  {
    static const bool at_exit = std::atexit([] {
                                  std::vector<std::weak_ptr<void>> servers;
                                  {
                                    const std::lock_guard lock(started().lock);
                                    servers.swap(started().servers);
                                  }
                                  for (const auto& each : servers)
                                    if (const auto server = each.lock())
                                      static_cast<Server*>(server.get())->end();
                                }) == 0;
    (void)at_exit;
    const std::lock_guard lock(started().lock);
    std::erase_if(started().servers, [](const auto& each) { return each.expired(); });
    started().servers.push_back(server_);
  }
  link_ = open_link({Address(said[1]), key, connect});
}

Manager::Manager(std::shared_ptr<Server> server, std::shared_ptr<Link> link) noexcept
    : server_(std::move(server)), link_(std::move(link)) {}
Manager::Manager(const Manager&) noexcept = default;
Manager::Manager(Manager&&) noexcept = default;
Manager& Manager::operator=(const Manager&) noexcept = default;
Manager& Manager::operator=(Manager&&) noexcept = default;
Manager::~Manager() = default;

Manager Manager::connect(const Address& address, const AuthKey& authkey, ConnectOptions options) {
  return {nullptr, open_link({address, authkey, std::move(options)})};
}

std::shared_ptr<detail::UserType> Manager::add_type(std::string name) {
  return register_type(std::move(name));
}

namespace {

std::shared_ptr<PendingAnswer> ask(const std::shared_ptr<Link>& link, std::string_view function,
                                   std::span<const std::byte> arguments) {
  if (!link) throw UsageError("using a manager: it was moved from");
  auto answer = link->start(native::Ask::control, 0, function, arguments);
  (void)link->wait(*answer, Deadline::never());
  return answer;
}

}  // namespace

Proxy Manager::create_from(std::span<const std::byte> arguments) const {
  return Proxy::shared_from(ask(link_, "create", arguments));
}

Object Manager::control(std::string_view function) const {
  return detail::Answered(ask(link_, function, to_pickle(Object::tuple()))).as<Object>();
}

std::size_t Manager::number_of_objects() const {
  return static_cast<std::size_t>(control("number_of_objects").as_int());
}
std::string Manager::debug_info() const { return control("debug_info").as_string(); }
void Manager::shutdown() const { (void)control("shutdown"); }

namespace {
const Link& known(const std::shared_ptr<Link>& link) {
  if (!link) throw UsageError("asking a manager: it was moved from");
  return *link;
}
}  // namespace

const Address& Manager::address() const { return known(link_).options().address; }
const AuthKey& Manager::authkey() const { return known(link_).options().key; }
std::optional<pid_t> Manager::pid() const { return server_ ? server_->process.pid() : std::nullopt; }

void Transfer<Manager>::encode(Encoder& out, const Manager& manager) {
  (void)known(manager.link_);
  encode_link(out, *manager.link_);
}
Manager Transfer<Manager>::decode(Decoder& in) { return {nullptr, decode_link(in)}; }

Manager::Batch::Batch(const Manager& manager) : link_(manager.link_) { link_->cork(); }
Manager::Batch::~Batch() {
  try {
    link_->uncork();
  } catch (const std::exception&) {  // the futures say so
  }
}

}  // namespace polyproc::inline v0
