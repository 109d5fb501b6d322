// SPDX-License-Identifier: MIT
// The fork server's own side: one thread, no lock held while it forks.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <iterator>
#include <utility>

#include <fmt/format.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>
#include <polyproc/process/exit.hpp>

#include "arena/arena_core.hpp"
#include "arena/fork.hpp"
#include "os/fd_socket.hpp"
#include "os/sibling.hpp"
#include "process/bootstrap.hpp"
#include "process/fork_server.hpp"
#include "process/launch.hpp"
#include "process/life_line.hpp"
#include "process/spawn_message.hpp"
#include "sync/bell_thread.hpp"

namespace polyproc::inline v0 {
namespace {

void answer(int socket, ForkAnswer what) {
  (void)os::send_message(socket, std::as_bytes(std::span(&what, 1)), {});
}

ForkAnswer failure(const char* why) {
  ForkAnswer what{};
  const std::string_view text(why);
  std::copy_n(text.begin(), std::min(text.size(), what.error.size() - 1), what.error.begin());
  return what;
}

// The place in the arena that held the call on the way: who closes the last descriptor of it, server or child, returns
// what it held.
void give_up(const ForkRequest& request, std::vector<os::Fd>& fds) {
  fds.clear();
  Arena::family().core().recover(request.identity);
}

// The child opens what the call names.
void run_call(const ForkRequest& request, std::vector<os::Fd>& fds) {
  std::unique_ptr<ProcessTarget> target;
  {
    const BlockRef message = BlockRef::open(request.message, BlockKind::process_message, {});
    std::uint64_t offered = kCallOffered;
    std::atomic_ref state(*reinterpret_cast<std::uint64_t*>(message.data()));
    if (!state.compare_exchange_strong(offered, static_cast<std::uint64_t>(::getpid())))
      ::_exit(kExitFailed);  // withdrawn: the requester makes the call anew
    POLYPROC_FAIL_POINT("forkserver.taken");
    Decoder in({message.data() + sizeof(std::uint64_t), message.size() - sizeof(std::uint64_t)});
    become(read_role(in));
    const std::size_t own = request.daemon != 0 ? 2 : 1;
    if (request.daemon != 0) die_with_parent(std::move(fds.at(1)));
    in.set_descriptors({std::make_move_iterator(fds.begin() + static_cast<std::ptrdiff_t>(own)),
                        std::make_move_iterator(fds.end())});
    target = read_target(in);
  }
  give_up(request, fds);
  POLYPROC_FAIL_POINT("forkserver.adopted");
  target->run();
}

ForkAnswer fork_child(int socket, const ForkRequest& request, std::vector<os::Fd>& fds) {
  ForkRecord record;
  record_forks(&record);
  ArenaForks::before();
  pid_t pid = -1;
  std::exception_ptr refused;
  try {
    pid = os::fork_sibling();
  } catch (const OsError&) {
    refused = std::current_exception();
  }
  if (pid == 0)
    ArenaForks::in_child();
  else
    ArenaForks::in_parent();
  record_forks(nullptr);
  if (pid == 0) {
    ::close(socket);
    ::_exit(run_child([&] {
      if (record.failure) std::rethrow_exception(record.failure);
      if (record.not_taken) std::rethrow_exception(record.not_taken);
      run_call(request, fds);
    }));
  }
  POLYPROC_FAIL_POINT("forkserver.forked");
  if (refused) {
    recover_after(record.embryos);
    std::rethrow_exception(refused);
  }
  give_up(request, fds);
  const ArenaCore& family = Arena::family().core();
  ForkAnswer what{};
  what.pid = pid;
  for (const auto& embryo : record.embryos) {
    if (const auto core = embryo.core.lock(); core.get() == &family) what.identity = embryo.identity;
  }
  return what;
}

void require_one_thread() {
  end_bell_threads();
  struct stat folder {};
  if (::stat("/proc/self/task", &folder) == 0 && folder.st_nlink > 3)
    throw UsageError(
        fmt::format("the preload function has left {} threads running: children would not have them; end "
                    "them before it returns",
                    folder.st_nlink - 3));
}

bool begin(int socket, Preload preload) {
  try {
    preload();
    require_one_thread();
    flush_stdio();
  } catch (const std::exception& error) {
    answer(socket, failure(error.what()));
    return false;
  } catch (...) {
    answer(socket, failure("the preload function threw something that is no std::exception"));
    return false;
  }
  answer(socket, {});
  return true;
}

}  // namespace

void serve_forks(int number, Preload preload) {
  const os::Fd socket = take_over(number);
  if (!begin(socket.get(), preload)) return;
  for (;;) {
    ForkRequest request{};
    std::vector<os::Fd> fds;
    if (!os::receive_message(socket.get(), std::as_writable_bytes(std::span(&request, 1)), fds)) return;
    POLYPROC_FAIL_POINT("forkserver.asked");
    ForkAnswer what{};
    try {
      what = fork_child(socket.get(), request, fds);
    } catch (const std::exception& error) {
      what = failure(error.what());
    }
    answer(socket.get(), what);
  }
}

}  // namespace polyproc::inline v0
