// SPDX-License-Identifier: MIT
// Sockets for packets that are found by a name which lies in no folder: the kernel forgets it with the last descriptor of the
// socket that has it.
#pragma once

#include <sys/types.h>

#include <string_view>

#include <polyproc/os/fd.hpp>

namespace polyproc::inline v0::os {

[[nodiscard]] Fd make_packet_socket();

// Gives the socket its name; false when another one has it. Nobody can connect before start_listening.
[[nodiscard]] bool bind_name(int socket, std::string_view name);
void start_listening(int socket);
// False when nobody listens at that name.
[[nodiscard]] bool connect_to_name(int socket, std::string_view name);
// A connection that waits; none when there is none, or it is gone again. Throws OsError (EMFILE...).
[[nodiscard]] Fd accept_waiting(int listener);

// The effective user of the process at the other end when it connected, or began to listen.
[[nodiscard]] uid_t peer_user(int socket);

}  // namespace polyproc::inline v0::os
