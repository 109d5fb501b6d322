// SPDX-License-Identifier: MIT
// The fork server of this process: a clean process with one thread, started on first use, that forks children on
// request. They are this process's own children (os::fork_sibling), so that exit codes and sentinels need nobody else.
//
// Deaths. The server's: children are not concerned; the next request finds the socket closed, reports the end and starts
// another one. Between the making of a child and the answer: the child finds the call withdrawn, and does not run. This
// process's: the server is a daemon of it. A child's, before it has taken what the call holds: the place in the arena that
// was made for the call is alive only through a descriptor in that child, as with spawn.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include <polyproc/arena/handle.hpp>

namespace polyproc::inline v0 {

struct ForkRequest {
  std::uint64_t identity;  // of the place in the arena that holds the call
  Handle message;
  std::uint64_t
      daemon;  // 1: the second descriptor that comes along is its life line; the call names the rest
};

struct ForkAnswer {
  std::int32_t pid;  // 0: there is no child
  std::uint32_t unused;
  std::uint64_t identity;       // the child's place in the family's arena
  std::array<char, 496> error;  // 0-terminated; empty when all went well
};

// The first word of the message of such a call tells who of both sides came first; else it is the child's process id.
inline constexpr std::uint64_t kCallOffered = 0;
inline constexpr std::uint64_t kCallWithdrawn = ~std::uint64_t{0};

using Preload = void (*)();

// Sends the request and waits for the answer; starts the server where none runs. Nothing when the server has ended
// meanwhile, which is reported: there may be a child. Throws Error when no server can be started.
[[nodiscard]] std::optional<ForkAnswer> ask_fork_server(const ForkRequest& request, std::span<const int> fds);
// The server ends, and is waited for.
void stop_fork_server() noexcept;
// For the handlers of fork(): no request is under way while this process forks; in the child the server is the parent's.
void hold_fork_server() noexcept;
void let_fork_server_go() noexcept;
void forget_fork_server() noexcept;

// In the server: answers requests until the requester is gone; returns in the server only.
void serve_forks(int socket, Preload preload);

}  // namespace polyproc::inline v0
