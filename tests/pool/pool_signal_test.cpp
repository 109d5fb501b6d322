// SPDX-License-Identifier: MIT
// Signals that the host has handlers for: what is sent to a worker is no message to the host.
#include <polyproc/pool/pool.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "support/forked_child.hpp"
#include "support/start_methods.hpp"

namespace polyproc::testing {
namespace {

class PoolSignals : public EachMethod {
 protected:
  static PoolOptions pool_of(int processes) { return {.processes = processes, .method = GetParam()}; }
};
POLYPROC_EACH_METHOD(PoolSignals);

// As Asio's signal_set does: the process that was told is the one that reads.
int told_through = -1;
void tell(int /*signal*/) { (void)!::write(told_through, "x", 1); }

class HandlersOfTheHost {
 public:
  HandlersOfTheHost() {
    (void)::pipe2(ends_, O_CLOEXEC | O_NONBLOCK);
    told_through = ends_[1];
    interrupt_ = ::signal(SIGINT, tell);
    terminate_ = ::signal(SIGTERM, tell);
    resize_ = ::signal(SIGWINCH, tell);
  }
  HandlersOfTheHost(const HandlersOfTheHost&) = delete;
  HandlersOfTheHost& operator=(const HandlersOfTheHost&) = delete;
  ~HandlersOfTheHost() {
    ::signal(SIGINT, interrupt_);
    ::signal(SIGTERM, terminate_);
    ::signal(SIGWINCH, resize_);
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  [[nodiscard]] bool were_called() const {
    char one = 0;
    return ::read(ends_[0], &one, 1) == 1;
  }

 private:
  int ends_[2] = {};
  void (*interrupt_)(int) = nullptr;
  void (*terminate_)(int) = nullptr;
  void (*resize_)(int) = nullptr;
};

TEST_P(PoolSignals, AreHeardByNoHandlerOfTheHost) {
  const HandlersOfTheHost handlers;
  Pool pool(pool_of(2));
  pool.apply([] {
    ::raise(SIGINT);
    ::raise(SIGWINCH);
  });
  EXPECT_FALSE(handlers.were_called());
  const auto running = pool.submit(wait_for_ever);
  pool.terminate();
  EXPECT_TRUE(pool.join_for(kLong));
  EXPECT_FALSE(handlers.were_called());
}

// A host that takes SIGTERM by sigwait has it blocked.
TEST_P(PoolSignals, EndWorkersAlsoWhereTheHostHasThemBlocked) {
  ForkedChild host([] {
    sigset_t blocked;
    ::sigemptyset(&blocked);
    ::sigaddset(&blocked, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &blocked, nullptr);
    ::signal(SIGTERM, SIG_IGN);
    Pool pool(pool_of(1));
    const auto said = pool.apply([] {
      sigset_t now;
      ::sigprocmask(SIG_BLOCK, nullptr, &now);
      return ::sigismember(&now, SIGTERM) == 0 && ::signal(SIGTERM, SIG_DFL) == SIG_DFL;
    });
    return said ? 0 : 1;
  });
  EXPECT_EQ(host.join(), 0);
}

}  // namespace
}  // namespace polyproc::testing
