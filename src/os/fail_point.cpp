// SPDX-License-Identifier: MIT
#include <polyproc/os/fail_point.hpp>

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>

namespace polyproc::inline v0::os {
namespace {

// Fixed storage: a fail point lies inside critical sections, where nothing may be allocated.
constexpr std::size_t kMaxName = 64;
constexpr std::size_t kMaxPassed = 256;
char g_armed[kMaxName];
std::atomic<std::uint32_t> g_countdown{0};
std::array<std::atomic<const char*>, kMaxPassed> g_passed{};

void remember(const char* name) noexcept {
  for (auto& place : g_passed) {
    const char* known = place.load(std::memory_order_relaxed);
    if (known == nullptr && place.compare_exchange_strong(known, name)) return;
    if (std::strcmp(known, name) == 0) return;
  }
}

}  // namespace

void arm_fail_point(const std::string& name, std::uint32_t countdown) {
  g_countdown.store(0);
  std::strncpy(g_armed, name.c_str(), kMaxName - 1);
  g_countdown.store(countdown);
}

void disarm_fail_points() noexcept { g_countdown.store(0); }

std::vector<std::string> fail_points_passed() {
  std::vector<std::string> names;
  for (auto& place : g_passed) {
    if (const char* name = place.load()) names.emplace_back(name);
  }
  return names;
}

namespace detail {

void pass_fail_point(const char* name) noexcept {
  remember(name);
  if (g_countdown.load(std::memory_order_relaxed) == 0 || std::strcmp(name, g_armed) != 0) return;
  if (g_countdown.fetch_sub(1) != 1) return;
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();
}

}  // namespace detail
}  // namespace polyproc::inline v0::os
