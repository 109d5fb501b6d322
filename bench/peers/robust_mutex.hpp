// SPDX-License-Identifier: MIT
// The system's robust mutex between processes, as a Lockable.
#pragma once

#include <pthread.h>

#include <cerrno>

#include "../harness.hpp"

namespace bench {

// Lies in Shared.
class RobustMutex {
 public:
  RobustMutex() {
    pthread_mutexattr_t attributes;
    ::pthread_mutexattr_init(&attributes);
    ::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    ::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    errno = ::pthread_mutex_init(&mutex_, &attributes);
    check(errno == 0, "pthread_mutex_init");
    ::pthread_mutexattr_destroy(&attributes);
  }
  void lock() {
    if (::pthread_mutex_lock(&mutex_) == EOWNERDEAD) ::pthread_mutex_consistent(&mutex_);
  }
  void unlock() { ::pthread_mutex_unlock(&mutex_); }

 private:
  pthread_mutex_t mutex_;
};

}  // namespace bench
