// SPDX-License-Identifier: MIT
#include "os/fork_count.hpp"

#include <pthread.h>

#include <atomic>

#include <polyproc/os/error.hpp>

namespace polyproc::inline v0::os {
namespace {

std::atomic<unsigned> forks{0};

}  // namespace

unsigned fork_count() {
  static const bool counts = [] {
    const int error =
        ::pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1, std::memory_order_relaxed); });
    if (error != 0) throw_os_error(error, "pthread_atfork", "the count of forks");
    return true;
  }();
  (void)counts;
  return forks.load(std::memory_order_relaxed);
}

}  // namespace polyproc::inline v0::os
