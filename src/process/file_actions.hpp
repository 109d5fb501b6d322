// SPDX-License-Identifier: MIT
// Which descriptors a program has that is started by posix_spawn, and the program that this process runs.
#pragma once

#include <spawn.h>

#include <polyproc/os/error.hpp>

namespace polyproc::inline v0 {

// Leads to the running image also when its file was replaced or deleted.
inline constexpr const char* kOwnImage = "/proc/self/exe";

class FileActions {
 public:
  FileActions() { check(::posix_spawn_file_actions_init(&actions_)); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }
  // Onto its own number: only clears close-on-exec, in the child alone, and can hit no other descriptor.
  void keep_open(int fd) { check(::posix_spawn_file_actions_adddup2(&actions_, fd, fd)); }
  [[nodiscard]] const posix_spawn_file_actions_t* get() const noexcept { return &actions_; }

 private:
  static void check(int error) {
    if (error != 0) os::throw_os_error(error, "posix_spawn_file_actions", "a child process");
  }
  posix_spawn_file_actions_t actions_{};
};

}  // namespace polyproc::inline v0
