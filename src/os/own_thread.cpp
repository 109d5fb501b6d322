// SPDX-License-Identifier: MIT
#include "os/own_thread.hpp"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <system_error>
#include <utility>

#include <polyproc/os/error.hpp>

namespace polyproc::inline v0::os {
namespace {

// A forked child has none of its parent's, which the process id tells.
std::atomic<pid_t> counted_in{0};
std::atomic<std::size_t> counted{0};

void count_one() noexcept {
  const pid_t own = ::getpid();
  if (counted_in.exchange(own) != own) counted.store(0);
  counted.fetch_add(1);
}

}  // namespace

std::thread start_own_thread(std::string_view purpose, std::function<void()> body) {
  sigset_t every;
  sigset_t before;
  ::sigfillset(&every);
  ::pthread_sigmask(SIG_SETMASK, &every, &before);
  count_one();
  try {
    std::thread thread([run = std::move(body)]() mutable {
      run();
      run = nullptr;
      counted.fetch_sub(1);
    });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return thread;
  } catch (const std::system_error& error) {
    counted.fetch_sub(1);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw_os_error(error.code().value(), "pthread_create", purpose);
  }
}

std::size_t count_own_threads() noexcept { return counted_in.load() == ::getpid() ? counted.load() : 0; }

}  // namespace polyproc::inline v0::os
