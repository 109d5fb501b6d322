// SPDX-License-Identifier: MIT
// The requester's side.
#include "process/fork_server.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <polyproc/os/diagnostics.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/process/start_method.hpp>

#include "os/fd_socket.hpp"
#include "process/launch.hpp"

namespace polyproc::inline v0 {
namespace {

void preload_nothing() {}

struct Server {
  os::Fd socket;
  Launched process;
};

struct ForkServer {
  std::mutex mutex;
  std::optional<Server> running;
  Preload preload = &preload_nothing;
};

// Never destroyed: the exit handler uses it.
ForkServer& fork_server() {
  static ForkServer& one = *new ForkServer;
  return one;
}

std::string describe_end(const siginfo_t& info) {
  return info.si_code == CLD_EXITED ? fmt::format("has ended with exit code {}", info.si_status)
                                    : fmt::format("was ended by signal {}", info.si_status);
}

// Waits for its end, which is near.
std::string collect(Server server) noexcept {
  server.socket.reset();
  siginfo_t info{};
  int result = 0;
  do {
    result = ::waitid(P_PID, static_cast<id_t>(server.process.pid), &info, WEXITED);
  } while (result != 0 && errno == EINTR);
  recover_after(server.process.embryos);
  return result == 0 ? describe_end(info) : "has ended";
}

std::optional<ForkAnswer> receive_answer(const Server& server) {
  ForkAnswer answer{};
  std::vector<os::Fd> none;
  if (!os::receive_message(server.socket.get(), std::as_writable_bytes(std::span(&answer, 1)), none))
    return std::nullopt;
  answer.error.back() = '\0';
  return answer;
}

Server start_server(Preload preload) {
  auto [ours, theirs] = os::make_fd_sockets();
  ChildRole role{.name = "ForkServer",
                 .daemon = true,
                 .parent_pid = ::getpid(),
                 .parent_name = this_process().role.name};
  const int number = theirs.get();
  const auto target = detail::make_target(&serve_forks, number, preload);
  Server server{std::move(ours), launch_by_spawn(*target, role, std::span(&number, 1))};
  theirs.reset();
  const auto answer = receive_answer(server);
  if (answer && answer->error.front() == '\0') return server;
  const std::string why = answer ? answer->error.data() : "it " + collect(std::move(server));
  if (answer) (void)collect(std::move(server));
  throw Error(fmt::format("starting the fork server: {}", why));
}

}  // namespace

std::optional<ForkAnswer> ask_fork_server(const ForkRequest& request, std::span<const int> fds) {
  ForkServer& one = fork_server();
  std::lock_guard guard(one.mutex);
  if (!one.running) one.running = start_server(one.preload);
  if (os::send_message(one.running->socket.get(), std::as_bytes(std::span(&request, 1)), fds)) {
    if (auto answer = receive_answer(*one.running)) return answer;
  }
  const pid_t pid = one.running->process.pid;
  const std::string end = collect(*std::exchange(one.running, std::nullopt));
  os::diagnose(fmt::format("polyproc: the fork server (pid {}) {}; another one is started", pid, end));
  return std::nullopt;
}

void stop_fork_server() noexcept {
  ForkServer& one = fork_server();
  std::lock_guard guard(one.mutex);
  if (one.running) (void)collect(*std::exchange(one.running, std::nullopt));
}

void forget_fork_server() noexcept {
  ForkServer& one = fork_server();
  if (one.running) one.running->process.embryos.clear();
  one.running.reset();
}

void hold_fork_server() noexcept { fork_server().mutex.lock(); }
void let_fork_server_go() noexcept { fork_server().mutex.unlock(); }

void set_forkserver_preload(void (*preload)()) {
  ForkServer& one = fork_server();
  std::lock_guard guard(one.mutex);
  if (one.running)
    throw UsageError(
        "set_forkserver_preload: the fork server runs already; call it before the first start by forkserver");
  one.preload = preload != nullptr ? preload : &preload_nothing;
}

}  // namespace polyproc::inline v0
