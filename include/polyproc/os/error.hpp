// SPDX-License-Identifier: MIT
// The exceptions of polyproc: one base, few kinds. Each message names the operation, the object and the mend.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

#include <polyproc/os/config.hpp>

namespace polyproc::inline v0 {

// Base of every exception that polyproc throws on its own account.
class POLYPROC_API Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  ~Error() override;
};

// A system call failed: `code` is its errno.
class POLYPROC_API OsError : public Error {
 public:
  OsError(int code, std::string operation, std::string object);
  ~OsError() override;
  [[nodiscard]] int code() const noexcept { return code_; }
  [[nodiscard]] const std::string& operation() const noexcept { return operation_; }
  [[nodiscard]] const std::string& object() const noexcept { return object_; }

 private:
  int code_;
  std::string operation_;
  std::string object_;
};

// Declares a kind of Error whose destructor, and with it its type information, lives in the library: a catch
// works across shared objects.
#define POLYPROC_DECLARE_ERROR(Kind, Base) \
  class POLYPROC_API Kind : public Base {  \
   public:                                 \
    using Base::Base;                      \
    ~Kind() override;                      \
  }

// A non-blocking get found nothing.
POLYPROC_DECLARE_ERROR(Empty, Error);
// A non-blocking put found no room.
POLYPROC_DECLARE_ERROR(Full, Error);
// The arena's limit, or the machine's memory, does not allow this allocation. The arena works on.
POLYPROC_DECLARE_ERROR(ArenaFull, Full);
// The object's other side, or the object itself, has been closed.
POLYPROC_DECLARE_ERROR(Closed, Error);
// The queue was shut down: puts are refused, and gets once it is drained.
POLYPROC_DECLARE_ERROR(ShutDown, Closed);
// The other end of the connection is closed, or all processes that had it have ended.
POLYPROC_DECLARE_ERROR(EndOfFile, Closed);
// A deadline passed.
POLYPROC_DECLARE_ERROR(TimeoutError, Error);
// The process that held this lock died inside: what it guards may be half changed. The lock is not held.
POLYPROC_DECLARE_ERROR(OwnerDied, Error);
// A party of the barrier has left it, or its deadline passed: nobody waits at it any more.
POLYPROC_DECLARE_ERROR(BrokenBarrier, Error);
// A shared object is of another kind, element type, layout version or word size than the program expects.
POLYPROC_DECLARE_ERROR(TypeMismatch, Error);
// The call is not allowed in this state: a closed or moved-from handle, a lock that is not held, spawn without init.
POLYPROC_DECLARE_ERROR(UsageError, Error);
// An argument is outside what the operation accepts.
POLYPROC_DECLARE_ERROR(InvalidArgument, Error);
// The other end of a connection has not shown that it knows the key, or does not believe that this one does.
POLYPROC_DECLARE_ERROR(AuthenticationError, Error);
// The task was cancelled before it began.
POLYPROC_DECLARE_ERROR(Cancelled, Error);
// A pool whose workers cannot begin: its initializer throws, or they end before they are ready, again and again.
POLYPROC_DECLARE_ERROR(BrokenPool, Error);
// Shared memory does not hold what its layout promises: another program has written into it.
POLYPROC_DECLARE_ERROR(CorruptArena, Error);

// The worker of a pool has ended, or was killed, while it ran this task.
class POLYPROC_API WorkerLost : public Error {
 public:
  WorkerLost(const std::string& what, int exitcode) : Error(what), exitcode_(exitcode) {}
  ~WorkerLost() override;
  // As ChildProcess::exitcode: the negative number of the signal that ended it, or what it exited with.
  [[nodiscard]] int exitcode() const noexcept { return exitcode_; }

 private:
  int exitcode_;
};

#undef POLYPROC_DECLARE_ERROR

namespace os {

[[noreturn]] POLYPROC_API void throw_os_error(int code, std::string_view operation, std::string_view object);

// The one funnel of system calls: repeats on EINTR and throws OsError on any other failure.
template <class Call>
auto checked(std::string_view operation, std::string_view object, Call call);

}  // namespace os
}  // namespace polyproc::inline v0

#include <cerrno>

namespace polyproc::inline v0::os {

template <class Call>
auto checked(std::string_view operation, std::string_view object, Call call) {
  for (;;) {
    auto result = call();
    if (result != decltype(result)(-1)) return result;
    if (errno != EINTR) throw_os_error(errno, operation, object);
  }
}

}  // namespace polyproc::inline v0::os
