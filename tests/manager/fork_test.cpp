// SPDX-License-Identifier: MIT
// Clients that fork: their children hold nothing of theirs, and have connections of their own.
#include <gtest/gtest.h>
#include <polyproc/manager/manager.hpp>

#include <array>
#include <atomic>
#include <csignal>
#include <optional>
#include <thread>

#include "manager/support.hpp"
#include "support/forked_child.hpp"

namespace polyproc::testing {
namespace {

using namespace std::chrono_literals;

// What a process reads the end of once nobody has the other end any more.
class Lifeline {
 public:
  Lifeline() {
    if (::pipe2(ends_.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  }
  Lifeline(const Lifeline&) = delete;
  Lifeline& operator=(const Lifeline&) = delete;
  ~Lifeline() {
    ::close(ends_[0]);
    let_go();
  }
  void let_go() {
    if (ends_[1] >= 0) ::close(std::exchange(ends_[1], -1));
  }
  void wait_for_end() const {
    char none = 0;
    while (::read(ends_[0], &none, 1) < 0 && errno == EINTR) {
    }
  }

 private:
  std::array<int, 2> ends_{};
};

class ClientThatForks : public ::testing::TestWithParam<const char*> {
 protected:
  [[nodiscard]] Manager connect() const { return Manager::connect(server_.address(), kKey); }
  ServerThread server_{GetParam() == std::string("unix") ? Address::unique() : Address::tcp("127.0.0.1", 0)};
};

// Forks a child that lives until the test lets the line go.
void fork_one_that_waits(Lifeline& line) {
  if (::fork() != 0) return;
  line.let_go();
  line.wait_for_end();
  ::_exit(0);
}

TEST_P(ClientThatForks, KilledGivesBackWhatItHeldWhileItsChildLives) {
  const Manager manager = connect();
  const auto lock = manager.lock();
  Lifeline line, child_lives;
  const SharedPage<std::atomic<bool>> ready;
  ForkedChild client([&] {
    line.let_go();
    const Manager own = connect();
    const auto held = own.list<int>({1});
    lock.acquire();
    fork_one_that_waits(line);
    *ready = true;
    line.wait_for_end();
  });
  child_lives.let_go();
  ASSERT_TRUE(wait_until([&] { return ready->load(); }));
  EXPECT_FALSE(lock.try_lock());
  auto waits = lock.call_async<bool>("acquire");
  client.kill(SIGKILL);
  (void)client.join();
  EXPECT_TRUE(waits.wait_for(10s));
  EXPECT_TRUE(wait_until([&] { return manager.number_of_objects() == 1; })) << manager.debug_info();
  line.let_go();
  EXPECT_THROW((void)waits.get(), OwnerDied);
  child_lives.wait_for_end();
}

// What a batch in a child holds back, and what one of the parent's does, is the child's own matter: calls that nobody waits for
// arrive.
TEST_P(ClientThatForks, ItsChildMakesAndEndsBatches) {
  const Manager manager = connect();
  const auto list = manager.list<int>();
  std::optional<Manager::Batch> outer;
  outer.emplace(manager);
  Lifeline line;
  ForkedChild child([&] {
    line.let_go();
    {
      const Manager::Batch first_of_all(manager);
      list.append(1);
    }
    outer.reset();
    const auto nobody_waits = list.call_async<void>("append", 2);
    line.wait_for_end();
  });
  outer.reset();
  EXPECT_TRUE(wait_until([&] { return list.size() == 2; })) << list;
  line.let_go();
  EXPECT_EQ(child.join(), 0);
}

INSTANTIATE_TEST_SUITE_P(Over, ClientThatForks, ::testing::Values("unix", "tcp"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace polyproc::testing
