// SPDX-License-Identifier: MIT
// Who gets the keeper's name starts it, with the socket that has the name: so there is never more than one, and whoever connects
// meanwhile waits at that socket, or, when the starter dies, is told that it is gone.
#include "channel/keeper_start.hpp"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <string>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <polyproc/os/deadline.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>

#include "arena/fork.hpp"
#include "channel/keeper.hpp"
#include "os/daemon.hpp"
#include "os/named_socket.hpp"

namespace polyproc::inline v0 {
namespace {

// For the moment in which another process has the name and does not listen yet.
constexpr std::chrono::seconds kPatience{10};
constexpr std::chrono::milliseconds kPause{1};

void start_by_fork(int listener, int file) {
  pid_t child = -1;
  {
    const os::NoSignals until_it_has_none_of_ours;
    child = fork_outsider();
    if (child == 0) run_keeper(listener, file);
  }
  if (child < 0) os::throw_os_error(errno, "fork", "the keeper of descriptors");
  os::join_daemon_maker(child, "the keeper of descriptors");
}

std::atomic<KeeperStart> g_start{&start_by_fork};

std::string name_of(std::uint64_t arena, std::uint64_t number) {
  return fmt::format("polyproc-keeper.{:016x}.{}", arena, number);
}

// None when another process has the name.
LockFd start_keeper(ArenaCore& core) {
  const std::string name = name_of(core.header().id, core.header().keeper_number.load());
  const LockFd listener = LockFd::open([] { return os::make_packet_socket(); });
  os::checked("fcntl F_SETFL", name, [&] { return ::fcntl(listener.get(), F_SETFL, O_NONBLOCK); });
  if (!os::bind_name(listener.get(), name)) return {};
  POLYPROC_FAIL_POINT("keeper.bound");
  os::start_listening(listener.get());
  LockFd link = LockFd::open([] { return os::make_packet_socket(); });
  if (!os::connect_to_name(link.get(), name)) return {};
  POLYPROC_FAIL_POINT("keeper.listening");
  const LockFd file = LockFd::open([&] { return core.region().reopen(); });
  g_start.load()(listener.get(), file.get());
  POLYPROC_FAIL_POINT("keeper.started");
  return link;
}

}  // namespace

void set_keeper_start(KeeperStart start) noexcept {
  g_start.store(start != nullptr ? start : &start_by_fork);
}

LockFd find_keeper(ArenaCore& core) {
  for (;;) {
    std::uint64_t number = core.header().keeper_number.load();
    LockFd link = LockFd::open([] { return os::make_packet_socket(); });
    if (!os::connect_to_name(link.get(), name_of(core.header().id, number))) return {};
    if (os::peer_user(link.get()) == ::geteuid()) return link;
    // Another user's process has taken the name: the next one.
    core.header().keeper_number.compare_exchange_strong(number, number + 1);
  }
}

LockFd find_or_start_keeper(ArenaCore& core) {
  const Deadline end = Deadline::after(kPatience);
  for (;;) {
    if (LockFd link = find_keeper(core)) return link;
    if (LockFd link = start_keeper(core)) return link;
    if (end.passed())
      os::throw_os_error(
          EADDRINUSE,
          "starting the keeper of descriptors: another process has taken its name, and does not "
          "listen; end that one; bind",
          name_of(core.header().id, core.header().keeper_number.load()));
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace polyproc::inline v0
