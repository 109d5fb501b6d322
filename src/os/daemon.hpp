// SPDX-License-Identifier: MIT
// Leaving the program that one was made by: a process that serves others, and has nothing of its maker's.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <optional>

#include <polyproc/os/fd.hpp>

namespace polyproc::inline v0::os {

// What a daemon keeps of its maker.
struct Kept {
  Fd first;
  Fd second;
};

// To be called in a new child with one thread. The child ends with code 0, and is succeeded by its own child, in which alone this
// returns: in a session of its own, without terminal, with these two descriptors and no other (0 to 2 lead nowhere), as
// many as the system allows to open, signals as at a program's start, in the root folder, without shared mappings, under
// `name` (at most 15 characters) in lists of processes. Nothing when that cannot be: the caller ends.
[[nodiscard]] std::optional<Kept> become_daemon(const char* name, int first, int second) noexcept;

// Waits for the child that called it. Throws Error when it did not succeed.
void join_daemon_maker(pid_t child, const char* what);

// Until it is destroyed no signal is handled in this thread, nor in a child that it forks.
class NoSignals {
 public:
  NoSignals() noexcept;
  NoSignals(const NoSignals&) = delete;
  NoSignals& operator=(const NoSignals&) = delete;
  ~NoSignals();

 private:
  sigset_t before_;
};

}  // namespace polyproc::inline v0::os
