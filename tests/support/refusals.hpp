// SPDX-License-Identifier: MIT
// A system that refuses: no more descriptors, or a call with a certain argument that fails.
#pragma once

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace polyproc::testing {

// As long as it lives this process, and a child forked meanwhile for good, gets no new descriptor.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit none{0, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

// As NoDescriptors, with a limit under which the calls that count open descriptors (poll) go on.
class NoSpareDescriptors {
 public:
  NoSpareDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit few{std::min<rlim_t>(before_.rlim_cur, 256), before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &few);
    take_spare();
  }
  NoSpareDescriptors(const NoSpareDescriptors&) = delete;
  NoSpareDescriptors& operator=(const NoSpareDescriptors&) = delete;
  ~NoSpareDescriptors() {
    for (const int each : taken_) ::close(each);
    ::setrlimit(RLIMIT_NOFILE, &before_);
  }
  // Also those that were given back meanwhile.
  void take_spare() {
    for (int next = 0; (next = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) taken_.push_back(next);
  }

 private:
  rlimit before_{};
  std::vector<int> taken_;
};

struct RefusedCall {
  int number;
  unsigned argument;    // which of the six
  std::uint32_t value;  // it is refused when the argument's low half is this
  int error;
};

// For good, in the calling thread and its children. False where filters cannot be installed.
[[nodiscard]] inline bool refuse(RefusedCall call) {
  const auto argument =
      static_cast<std::uint32_t>(offsetof(seccomp_data, args) + call.argument * sizeof(std::uint64_t));
  sock_filter steps[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call.number), 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, argument),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call.value, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(call.error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{sizeof steps / sizeof steps[0], steps};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

}  // namespace polyproc::testing
