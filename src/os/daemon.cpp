// SPDX-License-Identifier: MIT
#include "os/daemon.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <vector>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>

namespace polyproc::inline v0::os {
namespace {

constexpr int kFirstBeyondStandard = 3;

void reset_signals() noexcept {
  struct sigaction fresh {};
  fresh.sa_handler = SIG_DFL;
  for (int signal = 1; signal <= SIGRTMAX; ++signal) ::sigaction(signal, &fresh, nullptr);
  sigset_t none;
  sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

void allow_many_descriptors() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// The memory of a file that nobody else maps would stay for as long as this process does.
void give_up_shared_mappings() {
  struct Range {
    std::uintptr_t begin, end;
  };
  std::vector<Range> shared;
  std::FILE* maps = std::fopen("/proc/self/maps", "re");
  if (maps == nullptr) return;
  std::array<char, 1024> line{};
  while (std::fgets(line.data(), line.size(), maps) != nullptr) {
    Range range{};
    std::array<char, 5> rights{};
    if (std::sscanf(line.data(), "%" SCNxPTR "-%" SCNxPTR " %4s", &range.begin, &range.end, rights.data()) ==
            3 &&
        rights[3] == 's')
      shared.push_back(range);
  }
  std::fclose(maps);
  for (const Range& range : shared) ::munmap(reinterpret_cast<void*>(range.begin), range.end - range.begin);
}

bool close_all_but(int first, int second) noexcept {
  const auto close_between = [](int from, int to) {
    return from > to || ::close_range(static_cast<unsigned>(from), static_cast<unsigned>(to), 0) == 0;
  };
  const auto [low, high] = std::minmax(first, second);
  return close_between(kFirstBeyondStandard, low - 1) && close_between(low + 1, high - 1) &&
         ::close_range(static_cast<unsigned>(high) + 1, ~0u, 0) == 0;
}

bool lead_standard_nowhere() noexcept {
  const int nowhere = ::open("/dev/null", O_RDWR);
  if (nowhere < 0) return false;
  bool done = true;
  for (int standard = 0; standard < kFirstBeyondStandard; ++standard)
    done = (nowhere == standard || ::dup2(nowhere, standard) == standard) && done;
  if (nowhere >= kFirstBeyondStandard) ::close(nowhere);
  return done;
}

}  // namespace

std::optional<Kept> become_daemon(const char* name, int first, int second) noexcept {
  reset_signals();
  allow_many_descriptors();
  Kept kept;
  kept.first.reset(::fcntl(first, F_DUPFD_CLOEXEC, kFirstBeyondStandard));
  kept.second.reset(::fcntl(second, F_DUPFD_CLOEXEC, kFirstBeyondStandard));
  if (!kept.first || !kept.second || !close_all_but(kept.first.get(), kept.second.get()) ||
      !lead_standard_nowhere() || ::setsid() < 0 || ::chdir("/") != 0)
    return std::nullopt;
  ::prctl(PR_SET_NAME, name);
  try {
    give_up_shared_mappings();
  } catch (const std::exception&) {
    return std::nullopt;
  }
  const pid_t successor = ::fork();
  if (successor < 0) return std::nullopt;
  if (successor > 0) ::_exit(0);
  return kept;
}

void join_daemon_maker(pid_t child, const char* what) {
  siginfo_t end{};
  int result = 0;
  do {
    result = ::waitid(P_PID, static_cast<id_t>(child), &end, WEXITED);
  } while (result != 0 && errno == EINTR);
  if (result != 0) return;  // somebody else has collected it
  if (end.si_code == CLD_EXITED && end.si_status == 0) return;
  throw Error(
      end.si_code == CLD_EXITED
          ? fmt::format("starting {}: it could not leave this program (exit code {})", what, end.si_status)
          : fmt::format("starting {}: it was ended by signal {}", what, end.si_status));
}

NoSignals::NoSignals() noexcept {
  sigset_t all;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before_);
}

NoSignals::~NoSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

}  // namespace polyproc::inline v0::os
